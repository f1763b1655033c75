//! What a power cut takes of the changes that nobody has waited for.

use crate::chance::Chance;

/// What becomes of bytes on their way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Data {
    /// Those written before this moment have arrived; those of this moment have in part, sector by sector; later ones not.
    Before(u64),
    /// All have arrived.
    Everything,
    /// None has arrived.
    Nothing,
    /// Each sector is as it was after some of its changes: after the last with this probability, else after any.
    Scattered {
        /// In thousandths.
        permille: u64,
    },
}

/// What becomes of lengths on their way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Length {
    /// A file reaches as far as the bytes that have arrived.
    Arrived,
    /// Growth is lost, and so is what was written beyond the old end.
    Held,
    /// Each file is as long as the process saw it: what has not arrived reads as zeros.
    Seen,
}

/// What becomes of names on their way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NameLoss {
    /// All are lost.
    All,
    /// Those from this moment on are lost.
    From(u64),
    /// None is lost.
    Nothing,
    /// A random part; what depends on something lost is lost too.
    Some,
}

/// What a power cut takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Loss {
    /// Bytes.
    pub(crate) data: Data,
    /// Lengths.
    pub(crate) length: Length,
    /// Names.
    pub(crate) names: NameLoss,
}

impl Loss {
    /// One way to lose power among all kinds there are. `moments` are those of the changes on their way.
    pub(crate) fn draw(moments: &[u64], chance: &mut Chance) -> Self {
        let cut = moments.get(chance.index(moments.len())).copied();
        if let (0..=2, Some(cut)) = (chance.below(10), cut) {
            return Self {
                data: Data::Before(cut),
                length: Length::Arrived,
                names: NameLoss::From(cut),
            };
        }
        let data = match chance.below(10) {
            0 => Data::Everything,
            1 | 2 => Data::Nothing,
            _ => Data::Scattered {
                permille: chance.below(1000),
            },
        };
        let length = match chance.below(3) {
            0 => Length::Arrived,
            1 => Length::Held,
            _ => Length::Seen,
        };
        let names = match chance.below(4) {
            0 => NameLoss::All,
            1 => NameLoss::Nothing,
            _ => NameLoss::Some,
        };
        Self {
            data,
            length,
            names,
        }
    }
}
