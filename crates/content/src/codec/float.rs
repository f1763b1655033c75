//! Whether a float is in the shortest form that holds it (RFC 8949 §4.2.1, draft §6.2).

use crate::Error;

/// The one NaN that the draft permits.
const HALF_NAN: u16 = 0x7e00;

/// A binary interchange format of IEEE 754.
struct Format {
    mantissa_bits: u32,
    exponent_max: u64,
    bias: i64,
}

const HALF: Format = Format {
    mantissa_bits: 10,
    exponent_max: 0x1f,
    bias: 15,
};
const SINGLE: Format = Format {
    mantissa_bits: 23,
    exponent_max: 0xff,
    bias: 127,
};
const DOUBLE: Format = Format {
    mantissa_bits: 52,
    exponent_max: 0x7ff,
    bias: 1023,
};

pub(super) fn check_half(bits: u16) -> Result<(), Error> {
    if HALF.is_nan(bits.into()) && bits != HALF_NAN {
        return Err(Error::NotDeterministic);
    }
    Ok(())
}

pub(super) fn check_single(bits: u32) -> Result<(), Error> {
    SINGLE.check_needed(bits.into(), &HALF)
}

pub(super) fn check_double(bits: u64) -> Result<(), Error> {
    DOUBLE.check_needed(bits, &SINGLE)
}

impl Format {
    /// Fails if the value is a NaN or if `narrower` could hold it as well.
    fn check_needed(&self, bits: u64, narrower: &Self) -> Result<(), Error> {
        if self.is_nan(bits) || self.fits(bits, narrower) {
            return Err(Error::NotDeterministic);
        }
        Ok(())
    }

    fn is_nan(&self, bits: u64) -> bool {
        self.exponent(bits) == self.exponent_max && self.mantissa(bits) != 0
    }

    const fn exponent(&self, bits: u64) -> u64 {
        bits >> self.mantissa_bits & self.exponent_max
    }

    const fn mantissa(&self, bits: u64) -> u64 {
        bits & !(u64::MAX << self.mantissa_bits)
    }

    /// Whether `narrower` holds the number without loss, as a normal or a subnormal number.
    ///
    /// A normal number is 1.m × 2^e. It fits if e is not too large, if m has no more bits than
    /// there is room for, and if the lowest bit of m, at 2^low, is not below the lowest that a
    /// subnormal has. Subnormal numbers of one format are below everything that the next narrower
    /// one has.
    fn fits(&self, bits: u64, narrower: &Self) -> bool {
        let (exponent, mantissa) = (self.exponent(bits), self.mantissa(bits));
        if exponent == 0 || exponent == self.exponent_max {
            return mantissa == 0;
        }
        let e = exponent.cast_signed().saturating_sub(self.bias);
        let unused = mantissa.trailing_zeros().min(self.mantissa_bits);
        let used = i64::from(self.mantissa_bits.saturating_sub(unused));
        let room = i64::from(narrower.mantissa_bits);
        let low = e.saturating_sub(used);
        let low_min = 1_i64.saturating_sub(narrower.bias).saturating_sub(room);
        e <= narrower.bias && used <= room && low >= low_min
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn single(value: f32) -> Result<(), Error> {
        check_single(value.to_bits())
    }

    #[test]
    fn singles_that_a_half_holds_are_refused() {
        // Largest half, smallest normal and smallest subnormal half, and plain values.
        for value in [
            0.0,
            -0.0,
            1.0,
            -1.5,
            65504.0,
            6.103_515_6e-5,
            5.960_464_5e-8,
            f32::INFINITY,
        ] {
            assert_eq!(single(value), Err(Error::NotDeterministic), "{value}");
        }
        assert_eq!(single(f32::NAN), Err(Error::NotDeterministic));
    }

    #[test]
    fn singles_that_no_half_holds_are_accepted() {
        for value in [
            0.1,
            65536.0,
            65520.0,
            2.980_232_2e-8,
            1.000_976_6 / 2.0_f32.powi(15),
            1e-40,
        ] {
            assert_eq!(single(value), Ok(()), "{value}");
        }
    }

    #[test]
    fn half_nan_is_the_only_nan() {
        assert_eq!(check_half(0x7e00), Ok(()));
        assert_eq!(check_half(0x7c00), Ok(()));
        for nan in [0x7e01, 0x7c01, 0xfe00, 0x7fff] {
            assert_eq!(check_half(nan), Err(Error::NotDeterministic));
        }
        assert_eq!(
            check_double(f64::NAN.to_bits()),
            Err(Error::NotDeterministic)
        );
    }

    proptest! {
        #[test]
        fn every_single_widened_to_double_is_refused(value: f32) {
            prop_assert!(check_double(f64::from(value).to_bits()).is_err());
        }

        #[test]
        #[expect(clippy::cast_possible_truncation, reason = "the loss is what is asked about")]
        fn double_that_loses_in_a_single_is_accepted(value: f64) {
            let lossless = f64::from(value as f32).to_bits() == value.to_bits();
            prop_assert_eq!(check_double(value.to_bits()).is_ok(), !lossless && !value.is_nan());
        }
    }
}
