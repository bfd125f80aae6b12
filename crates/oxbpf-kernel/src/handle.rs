//! A reference to an object that a kernel holds.

use core::any::Any;
use core::fmt;
use std::sync::{Arc, OnceLock};

#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A counted reference to a map, program, link, BTF, token, perf event or directory in a kernel.
///
/// It is a file descriptor on Linux and an object of the embedded kernel there; dropping the last clone releases it.
/// [`Handle::number`] is what instructions, descriptor arrays and map values carry for it.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

enum Inner {
    #[cfg(unix)]
    Fd {
        fd: OwnedFd,
        note: OnceLock<Box<dyn Any + Send + Sync>>,
    },
    Object {
        number: i32,
        object: Box<dyn Any + Send + Sync>,
    },
}

impl Handle {
    /// Takes over a file descriptor.
    #[cfg(unix)]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self(Arc::new(Inner::Fd { fd, note: OnceLock::new() }))
    }

    /// Wraps an object of a back end that has no file descriptors. `object` is dropped with the last clone, which is
    /// how the back end learns that the reference is gone.
    pub fn from_object(number: i32, object: impl Any + Send + Sync) -> Self {
        Self(Arc::new(Inner::Object { number, object: Box::new(object) }))
    }

    /// The number that stands for the object in instructions and map values: the descriptor on Linux.
    pub fn number(&self) -> i32 {
        match &*self.0 {
            #[cfg(unix)]
            Inner::Fd { fd, .. } => fd.as_raw_fd(),
            Inner::Object { number, .. } => *number,
        }
    }

    /// The file descriptor, if the object has one.
    #[cfg(unix)]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &*self.0 {
            Inner::Fd { fd, .. } => Some(fd.as_fd()),
            Inner::Object { .. } => None,
        }
    }

    /// The back end's own object, if it is a `T`.
    pub fn object<T: Any>(&self) -> Option<&T> {
        match &*self.0 {
            Inner::Object { object, .. } => object.downcast_ref(),
            #[cfg(unix)]
            Inner::Fd { .. } => None,
        }
    }

    /// For back ends: what [`Handle::set_note`] wrote on the descriptor, if it is a `T`.
    pub fn note<T: Any>(&self) -> Option<&T> {
        match &*self.0 {
            #[cfg(unix)]
            Inner::Fd { note, .. } => note.get()?.downcast_ref(),
            Inner::Object { .. } => None,
        }
    }

    /// For back ends: keeps with a descriptor what was learnt about its object, so that it need not be asked again. Only
    /// the first note stays.
    pub fn set_note(&self, value: impl Any + Send + Sync) {
        #[cfg(unix)]
        if let Inner::Fd { note, .. } = &*self.0 {
            let _ = note.set(Box::new(value));
        }
    }

    /// Whether both refer to the same reference (clones of one another), not merely to the same kernel object.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

#[cfg(unix)]
impl From<OwnedFd> for Handle {
    fn from(fd: OwnedFd) -> Self {
        Self::from_fd(fd)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number())
    }
}
