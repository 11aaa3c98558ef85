//! An area of a picture with any number of corners, and whether a point lies in it.

/// Corners of one polygon; a zone of a yard has a handful.
const CORNERS_MAX: usize = 100;

/// An area with straight sides, which may cross.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Polygon(Box<[[f64; 2]]>);

impl Polygon {
    /// # Errors
    /// In words, when the corners enclose nothing.
    pub(crate) fn new(corners: &[[f64; 2]]) -> Result<Self, String> {
        if corners.len() < 3 {
            return Err(format!(
                "an area of {} corners encloses nothing: expected three or more, such as `[[0, 5000], [10000, 5000], [5000, 10000]]`",
                corners.len()
            ));
        }
        if corners.len() > CORNERS_MAX {
            return Err(format!(
                "an area of {} corners: expected at most {CORNERS_MAX}",
                corners.len()
            ));
        }
        let [x, y] = corners[0];
        let (mut dx, mut dy) = (0.0, 0.0);
        let is_line = corners.iter().all(|[next_x, next_y]| {
            let (to_x, to_y) = (next_x - x, next_y - y);
            if (dx, dy) == (0.0, 0.0) {
                (dx, dy) = (to_x, to_y);
            }
            dx * to_y == dy * to_x
        });
        if is_line {
            return Err(
                "these corners lie on one line and enclose nothing: expected three that do not"
                    .to_owned(),
            );
        }
        Ok(Self(corners.into()))
    }

    /// A point on a side is inside.
    pub(crate) fn contains(&self, x: f64, y: f64) -> bool {
        let mut inside = false;
        let mut before = self.0.last();
        for corner in &self.0 {
            let [ax, ay] = *before.unwrap_or(corner);
            let [bx, by] = *corner;
            before = Some(corner);
            let cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax);
            let within = ax.min(bx) <= x && x <= ax.max(bx) && ay.min(by) <= y && y <= ay.max(by);
            if cross == 0.0 && within {
                return true;
            }
            if (ay > y) != (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax {
                inside = !inside;
            }
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_lies_inside_on_a_side_or_outside() {
        let corner = [
            [0.0, 0.0],
            [10.0, 0.0],
            [10.0, 4.0],
            [4.0, 4.0],
            [4.0, 10.0],
            [0.0, 10.0],
        ];
        let area = Polygon::new(&corner).unwrap();
        for (x, y, inside) in [
            (1.0, 1.0, true),
            (9.0, 3.9, true),
            (3.0, 9.0, true),
            (5.0, 5.0, false),
            (4.0, 7.0, true),
            (10.0, 2.0, true),
            (0.0, 0.0, true),
            (10.1, 2.0, false),
            (-1.0, 10.0, false),
        ] {
            assert_eq!(area.contains(x, y), inside, "{x} {y}");
        }
    }

    #[test]
    fn corners_that_enclose_nothing_are_refused() {
        assert!(Polygon::new(&[[0.0, 0.0], [1.0, 1.0]]).is_err());
        assert!(Polygon::new(&[[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]]).is_err());
        assert!(Polygon::new(&[[2.0, 2.0]; 4]).is_err());
        assert!(Polygon::new(&[[0.0, 0.0]; CORNERS_MAX + 1]).is_err());
    }
}
