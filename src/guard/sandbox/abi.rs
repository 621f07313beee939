//! Levels of Landlock, as its documentation counts them.

/// The first level of Landlock whose file rules leave no way around: without level 3 a file outside of them can be emptied.
const LEAST_LANDLOCK: u8 = 3;

/// A level of Landlock, 0 where there is none; 6 stands for all that came later, since nothing here uses more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LandlockAbi(pub u8);

impl LandlockAbi {
    /// Whether file rules hold.
    pub const fn has_files(self) -> bool {
        self.0 >= LEAST_LANDLOCK
    }

    /// Whether processes outside can be kept from signals, and their abstract sockets from connections.
    pub const fn has_scopes(self) -> bool {
        self.0 >= 6
    }
}
