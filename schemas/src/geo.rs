//! Places on the earth as integer unit vectors, so that distance needs no floats.

use serde::{Deserialize, Serialize};

/// A point on the unit sphere, each axis scaled by 2^30. One step is 6 mm on the earth.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub struct UnitVector(pub [i32; 3]);

/// Length of the radius in steps.
const SCALE: f64 = (1i64 << 30) as f64;
/// The earth's mean radius in metres (IUGG).
const EARTH_M: f64 = 6_371_008.8;

impl UnitVector {
    /// The vector of these degrees; `None` outside −90..90 and −180..180. Runs at the edge, before the log:
    /// the engine sees integers only.
    pub fn from_degrees(lat: f64, lng: f64) -> Option<Self> {
        if !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lng) {
            return None;
        }
        let (lat, lng) = (lat.to_radians(), lng.to_radians());
        let axes = [lat.cos() * lng.cos(), lat.cos() * lng.sin(), lat.sin()];
        Some(Self(axes.map(|axis| (axis * SCALE).round() as i32)))
    }

    /// Square of the chord to `other` in steps, which orders points as distance does. At most 2^62.
    pub fn chord2(self, other: UnitVector) -> i64 {
        let square = |a: i32, b: i32| {
            let d = i64::from(a) - i64::from(b);
            d * d
        };
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        square(a, x) + square(b, y) + square(c, z)
    }
}

/// Great-circle metres of a squared chord, for people; never inside the engine.
pub fn metres(chord2: i64) -> f64 {
    let half = ((chord2 as f64).sqrt() / SCALE / 2.0).min(1.0);
    2.0 * half.asin() * EARTH_M
}

/// The squared chord of a great-circle radius in metres: the form in which a radius enters the log.
pub fn chord2_of_metres(metres: f64) -> i64 {
    let half = (metres / EARTH_M / 2.0).clamp(0.0, std::f64::consts::FRAC_PI_2).sin();
    let chord = 2.0 * half * SCALE;
    (chord * chord).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_distances() {
        // Great-circle distances from published city coordinates, to one kilometre.
        for ((lat, lng), (lat2, lng2), km) in [
            ((51.5007, -0.1246), (40.6892, -74.0445), 5_575.0),
            ((31.2304, 121.4737), (39.9042, 116.4074), 1_067.0),
            ((0.0, 0.0), (0.0, 180.0), 20_015.0),
        ] {
            let chord2 = UnitVector::from_degrees(lat, lng)
                .unwrap()
                .chord2(UnitVector::from_degrees(lat2, lng2).unwrap());
            assert!((metres(chord2) / 1000.0 - km).abs() < 1.5, "{} {km}", metres(chord2));
            assert!((metres(chord2_of_metres(km * 1000.0)) / 1000.0 - km).abs() < 1.0);
        }
    }

    #[test]
    fn impossible_degrees_are_refused() {
        for (lat, lng) in [(90.1, 0.0), (0.0, 180.5), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(UnitVector::from_degrees(lat, lng), None);
        }
    }
}
