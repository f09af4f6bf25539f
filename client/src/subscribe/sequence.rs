//! Numbers that wrap, made into numbers that do not.

/// Extends 16-bit sequence numbers (RFC 3550 §A.1) and 32-bit timestamps: each value becomes the one nearest to the last.
#[derive(Debug, Default)]
pub(crate) struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// A sequence number.
    pub(crate) fn sequence(&mut self, number: u16) -> i64 {
        self.unwrap(i64::from(number), 1 << 16)
    }

    /// A timestamp.
    pub(crate) fn timestamp(&mut self, ticks: u32) -> i64 {
        self.unwrap(i64::from(ticks), 1 << 32)
    }

    fn unwrap(&mut self, value: i64, span: i64) -> i64 {
        let extended = match self.last {
            None => value,
            Some(last) => {
                let ahead = (value - last).rem_euclid(span);
                last + if ahead < span / 2 { ahead } else { ahead - span }
            }
        };
        self.last = Some(extended);
        extended
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_go_on_across_the_wrap_in_both_directions() {
        let mut numbers = Unwrapper::default();
        let extended = [65_534, 1, 65_535, 2].map(|number| numbers.sequence(number));
        assert_eq!(extended, [65_534, 65_537, 65_535, 65_538]);
        let mut ticks = Unwrapper::default();
        assert_eq!(ticks.timestamp(u32::MAX), 4_294_967_295);
        assert_eq!(ticks.timestamp(959), 4_294_968_255);
    }

    proptest! {
        #[test]
        fn any_line_of_steps_below_half_the_span_is_followed(steps in prop::collection::vec(-32_000i64..32_000, 1..200)) {
            let mut numbers = Unwrapper::default();
            let mut line = 100_000;
            let origin = line - numbers.sequence(line as u16);
            for step in steps {
                line += step;
                prop_assert_eq!(numbers.sequence(line as u16) + origin, line);
            }
        }
    }
}
