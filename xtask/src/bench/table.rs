//! How figures are printed.

use std::fmt::Write as _;

/// One benchmark's figures.
#[derive(Debug)]
pub(crate) struct Table {
    title: &'static str,
    rows: Vec<Row>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Row {
    name: String,
    measured: String,
    aim: Option<Aim>,
}

#[derive(Debug)]
struct Aim {
    text: String,
    met: bool,
}

impl Table {
    pub(crate) fn new(title: &'static str) -> Self {
        Self {
            title,
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A figure that nothing is demanded of.
    pub(crate) fn figure(&mut self, name: impl Into<String>, measured: impl Into<String>) {
        self.rows.push(Row {
            name: name.into(),
            measured: measured.into(),
            aim: None,
        });
    }

    /// A figure that ought to be below `limit`.
    pub(crate) fn below(&mut self, name: impl Into<String>, measured: f64, limit: f64, unit: &str) {
        let aim = Aim {
            text: format!("< {limit} {unit}"),
            met: measured < limit,
        };
        self.rows.push(Row {
            name: name.into(),
            measured: number(measured, unit),
            aim: Some(aim),
        });
    }

    /// A count that ought to reach `limit`.
    pub(crate) fn at_least(&mut self, name: impl Into<String>, measured: u32, limit: u32) {
        let aim = Aim {
            text: format!("≥ {limit}"),
            met: measured >= limit,
        };
        self.rows.push(Row {
            name: name.into(),
            measured: measured.to_string(),
            aim: Some(aim),
        });
    }

    /// The figures of `other` in a second column, both headed by whose they are. Aims are for the first.
    pub(crate) fn beside(mut self, other: &Self, names: [&str; 2]) -> Self {
        let right = |name: &str| {
            let row = other.rows.iter().find(|row| row.name == name);
            row.map_or("–", |row| row.measured.as_str())
        };
        let all = self.rows.iter().map(|row| row.measured.as_str()).chain([names[0]]);
        let left_width = all.map(|text| text.chars().count()).max().unwrap_or(0);
        let all = self.rows.iter().map(|row| right(&row.name)).chain([names[1]]);
        let right_width = all.map(|text| text.chars().count()).max().unwrap_or(0);
        let both = |left: &str, right: &str| format!("{left:>left_width$}   {right:>right_width$}");
        for row in &mut self.rows {
            row.measured = both(&row.measured, right(&row.name));
        }
        let head = Row {
            name: String::new(),
            measured: both(names[0], names[1]),
            aim: None,
        };
        self.rows.insert(0, head);
        self.notes
            .extend(other.notes.iter().map(|note| format!("{}: {note}", names[1])));
        self
    }

    /// A count of what ought not to happen.
    pub(crate) fn none(&mut self, name: impl Into<String>, count: u64) {
        self.rows.push(Row {
            name: name.into(),
            measured: count.to_string(),
            aim: Some(Aim {
                text: "0".into(),
                met: count == 0,
            }),
        });
    }

    /// A sentence below the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The table as text, headed by the machine's name.
    pub(crate) fn on(&self, machine: &str) -> String {
        let names = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let values = self
            .rows
            .iter()
            .map(|row| row.measured.chars().count())
            .max()
            .unwrap_or(0);
        let mut text = format!("{} on {machine}\n", self.title);
        for Row { name, measured, aim } in &self.rows {
            let aim = aim.as_ref().map_or(String::new(), |aim| {
                let verdict = if aim.met { "met" } else { "MISSED" };
                format!("   aim {}: {verdict}", aim.text)
            });
            let line = format!("  {name:names$}  {measured:>values$}{aim}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for note in &self.notes {
            let _ = writeln!(text, "  {note}");
        }
        text
    }
}

/// Three significant digits, more or less, and the unit.
pub(crate) fn number(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        medium if medium >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}

/// A time given in microseconds, in the unit that reads well.
pub(crate) fn duration(us: f64) -> String {
    if us > 1000.0 {
        number(us / 1000.0, "ms")
    } else {
        number(us, "µs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_says_what_was_missed() {
        let mut table = Table::new("latency");
        table.below("p50", 42.0, 100.0, "ms");
        table.below("what the server adds", 1.5, 1.0, "ms");
        table.none("lost", 0);
        table.figure("pictures", "600");
        assert_eq!(
            table.on("this machine"),
            "latency on this machine\n\
             \u{20} p50                   42.0 ms   aim < 100 ms: met\n\
             \u{20} what the server adds  1.50 ms   aim < 1 ms: MISSED\n\
             \u{20} lost                        0   aim 0: met\n\
             \u{20} pictures                  600\n"
        );
    }

    #[test]
    fn two_tables_stand_side_by_side_by_the_names_of_their_rows() {
        let (mut ours, mut theirs) = (Table::new("fanout"), Table::new("fanout"));
        ours.at_least("viewers", 1200, 1000);
        ours.figure("memory", "9 KB");
        theirs.figure("viewers", "80");
        theirs.note("busy");
        assert_eq!(
            ours.beside(&theirs, ["ours", "theirs"]).on("this machine"),
            "fanout on this machine\n\
             \u{20}          ours   theirs\n\
             \u{20} viewers  1200       80   aim ≥ 1000: met\n\
             \u{20} memory   9 KB        –\n\
             \u{20} theirs: busy\n"
        );
    }

    #[test]
    fn times_are_in_the_unit_that_reads_well() {
        assert_eq!(duration(87.25), "87.2 µs");
        assert_eq!(duration(1000.0), "1000 µs");
        assert_eq!(duration(61_234.0), "61.2 ms");
    }
}
