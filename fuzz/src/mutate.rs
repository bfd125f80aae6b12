//! A seed and bytes in, damaged bytes out; the same every time.

/// Numbers that look random (xorshift64*).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Each seed has a sequence of its own.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not begin alike, and none may be 0.
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Random((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) | 1)
    }

    /// A number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`, 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n.max(1)
    }
}

/// Words that are at the edge of something.
const TELLING: [u32; 12] =
    [0, 1, 4, 24, 32, 0x7fff_ffff, 0x8000_0000, u32::MAX, 0x00ff_ffff, 0x0f00_ffff, 0x0400_0001, 0xeb9f];

/// Changes a few places of `bytes`: bits, bytes, words, runs, the length.
pub fn mutate(bytes: &mut Vec<u8>, rnd: &mut Random) {
    for _ in 0..1 + rnd.below(5) {
        if bytes.is_empty() {
            return;
        }
        let at = rnd.below(bytes.len());
        let word = at & !3;
        match rnd.below(10) {
            0 => bytes[at] ^= 1 << rnd.below(8),
            1 => bytes[at] = rnd.next() as u8,
            2 => set(bytes, word, TELLING[rnd.below(TELLING.len())]),
            // Likely the id of another type, so that cycles come about.
            3 => set(bytes, word, rnd.below(100) as u32),
            // The byte of an info word that holds the kind.
            4 => set_byte(bytes, at | 3, rnd.below(0x20) as u8),
            // A length or an offset that is nearly right.
            5 => {
                let old =
                    bytes.get(word..word + 4).map_or(0, |w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]));
                set(bytes, word, old.wrapping_add(rnd.below(9) as u32).wrapping_sub(4));
            }
            6 => {
                let len = rnd.below(64).min(bytes.len() - at) & !3;
                let to = rnd.below(bytes.len() - len) & !3;
                bytes.copy_within(at..at + len, to);
            }
            // The header, which a hit elsewhere is unlikely to reach.
            7 => {
                let word = 4 * rnd.below(8);
                let len = bytes.len() + 8;
                set(bytes, word, rnd.below(len) as u32);
            }
            8 if rnd.below(4) == 0 => {
                let len = 4 * rnd.below(8);
                let copy: Vec<u8> = bytes.iter().skip(word).take(len).copied().collect();
                bytes.splice(word..word, copy);
            }
            9 if rnd.below(8) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
}

fn set(bytes: &mut [u8], at: usize, word: u32) {
    if let Some(to) = bytes.get_mut(at..at + 4) {
        to.copy_from_slice(&word.to_le_bytes());
    }
}

fn set_byte(bytes: &mut [u8], at: usize, byte: u8) {
    if let Some(to) = bytes.get_mut(at) {
        *to = byte;
    }
}
