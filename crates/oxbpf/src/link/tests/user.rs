//! Functions of user programs.

use super::*;
