//! Lines, as SVG: one panel below the other, all over the same quantity.

use std::fmt::Write as _;

/// In pixels, of each panel and around it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 140.0;
const LEFT: f64 = 60.0;
const MARGIN: f64 = 28.0;

/// A quantity over another.
#[derive(Debug)]
pub(crate) struct Line {
    title: &'static str,
    points: Vec<(f64, f64)>,
}

impl Line {
    pub(crate) fn new(title: &'static str, points: Vec<(f64, f64)>) -> Self {
        Self { title, points }
    }
}

/// The picture; `over` is the unit of what goes to the right. Every axis begins at zero: what is flat looks flat, and what is
/// not does not.
pub(crate) fn svg(lines: &[Line], over: &str) -> String {
    let step = HEIGHT + 2.0 * MARGIN;
    let (width, height) = (LEFT + WIDTH + MARGIN, step * lines.len() as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (index, line) in lines.iter().enumerate() {
        let top = step * index as f64 + MARGIN;
        let bottom = top + HEIGHT;
        let last = line.points.iter().map(|(at, _)| *at).fold(1.0, f64::max);
        let most = line.points.iter().map(|(_, value)| *value).fold(1.0, f64::max) * 1.1;
        let place = |(at, value): &(f64, f64)| {
            let x = LEFT + WIDTH * at / last;
            format!("{x:.1},{:.1}", bottom - HEIGHT * value / most)
        };
        let points: Vec<_> = line.points.iter().map(place).collect();
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>\n\
             <text x=\"{:.1}\" y=\"{top:.1}\" text-anchor=\"end\">{most:.0}</text>\n\
             <text x=\"{:.1}\" y=\"{bottom:.1}\" text-anchor=\"end\">0</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{last:.0} {over}</text>\n\
             <path d=\"M{LEFT},{top:.1} V{bottom:.1} H{:.1}\" fill=\"none\" stroke=\"#888\"/>\n\
             <polyline points=\"{}\" fill=\"none\" stroke=\"#c2410c\"/>\n",
            top - 8.0,
            line.title,
            LEFT - 6.0,
            LEFT - 6.0,
            LEFT + WIDTH,
            bottom + 16.0,
            LEFT + WIDTH,
            points.join(" ")
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_runs_from_the_left_to_the_right_with_zero_at_the_bottom() {
        let points = vec![(0.0, 0.0), (1.0, 10.0)];
        let svg = svg(&[Line::new("files", points)], "min");
        assert!(svg.contains(">files<") && svg.contains(">1 min<"), "{svg}");
        assert!(svg.contains("points=\"60.0,168.0 780.0,40.7\""), "{svg}");
    }
}
