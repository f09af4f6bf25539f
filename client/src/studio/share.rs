//! How the path's capacity is shared out between a camera and a screen.

use crate::units::Bitrate;

/// What each picture gets of `available`, where it wants `wanted`: all that it wants if there is enough, else a share in proportion.
pub(super) fn shares(available: Bitrate, wanted: &[Bitrate]) -> Vec<Bitrate> {
    let total: u64 = wanted.iter().map(|bitrate| u64::from(bitrate.bps())).sum();
    let available = u64::from(available.bps());
    wanted
        .iter()
        .map(|bitrate| {
            if total <= available {
                return *bitrate;
            }
            let share = u64::from(bitrate.bps()) * available / total;
            Bitrate::from_bps(u32::try_from(share).unwrap_or(u32::MAX))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kbps(values: &[u32]) -> Vec<Bitrate> {
        values.iter().copied().map(Bitrate::from_kbps).collect()
    }

    #[test]
    fn everybody_gets_what_they_want_where_there_is_enough() {
        assert_eq!(
            shares(Bitrate::from_kbps(4_500), &kbps(&[2_500, 2_000])),
            kbps(&[2_500, 2_000])
        );
        assert_eq!(shares(Bitrate::from_kbps(1), &[]), []);
    }

    #[test]
    fn what_is_scarce_is_shared_in_proportion() {
        assert_eq!(
            shares(Bitrate::from_kbps(900), &kbps(&[2_000, 1_000])),
            kbps(&[600, 300])
        );
        assert_eq!(shares(Bitrate::from_kbps(300), &kbps(&[2_500])), kbps(&[300]));
    }
}
