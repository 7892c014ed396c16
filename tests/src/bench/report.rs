//! Figures as a table in plain text: ours beside theirs, and the goal beside the figure.

use std::fmt::Write as _;

/// What issue and documentation promise of a figure.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Ours is at most this part of theirs.
    PartOfTheirs(f64),
}

#[derive(Debug)]
struct Row {
    name: String,
    unit: &'static str,
    ours: Option<f64>,
    theirs: Option<f64>,
    goal: Option<Goal>,
}

/// One section of the report. Rows keep the order in which they were added.
#[derive(Debug)]
pub struct Table {
    title: String,
    peer: Option<&'static str>,
    rows: Vec<Row>,
}

impl Table {
    /// A table of our figures alone.
    pub fn of_ours(title: impl Into<String>) -> Self {
        Self { title: title.into(), peer: None, rows: Vec::new() }
    }

    /// A table of our figures beside those of `peer`, with their ratio.
    pub fn beside(title: impl Into<String>, peer: &'static str) -> Self {
        Self { title: title.into(), peer: Some(peer), rows: Vec::new() }
    }

    pub fn row(&mut self, name: impl Into<String>, unit: &'static str, ours: f64) -> &mut Self {
        self.add(name.into(), unit, Some(ours), None)
    }

    /// A figure that one side may not have, such as the time of a step that it does not take.
    pub fn compare(&mut self, name: impl Into<String>, unit: &'static str, ours: Option<f64>, theirs: Option<f64>) -> &mut Self {
        self.add(name.into(), unit, ours, theirs)
    }

    /// Sets the goal of the row that was added last.
    pub fn goal(&mut self, goal: Goal) -> &mut Self {
        if let Some(row) = self.rows.last_mut() {
            row.goal = Some(goal);
        }
        self
    }

    fn add(&mut self, name: String, unit: &'static str, ours: Option<f64>, theirs: Option<f64>) -> &mut Self {
        self.rows.push(Row { name, unit, ours, theirs, goal: None });
        self
    }
}

impl Row {
    fn name(&self) -> String {
        if self.unit.is_empty() { self.name.clone() } else { format!("{}, {}", self.name, self.unit) }
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.ours? / self.theirs?)
    }

    fn verdict(&self) -> String {
        let Some(goal) = self.goal else { return String::new() };
        let (figure, words, met): (_, _, fn(f64, f64) -> bool) = match goal {
            Goal::AtMost(limit) => (self.ours, format!("≤ {}", digits(limit)), |a, b| a <= b),
            Goal::AtLeast(limit) => (self.ours, format!("≥ {}", digits(limit)), |a, b| a >= b),
            Goal::PartOfTheirs(part) => (self.ratio(), format!("≤ {part:.2} of theirs"), |a, b| a <= b),
        };
        let (Goal::AtMost(limit) | Goal::AtLeast(limit) | Goal::PartOfTheirs(limit)) = goal;
        match figure {
            Some(figure) if met(figure, limit) => format!("{words}  met"),
            Some(_) => format!("{words}  missed"),
            None => format!("{words}  not measured"),
        }
    }

    fn cells(&self, beside: bool) -> Vec<String> {
        let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), digits);
        if beside {
            let ratio = self.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            vec![self.name(), figure(self.ours), figure(self.theirs), ratio, self.verdict()]
        } else {
            vec![self.name(), figure(self.ours), self.verdict()]
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut heading = vec![self.title.clone(), "ciba-host".to_owned()];
        heading.extend(self.peer.iter().flat_map(|peer| [(*peer).to_owned(), "ratio".to_owned()]));
        heading.push("goal".to_owned());

        let mut lines = vec![heading];
        lines.extend(self.rows.iter().map(|row| row.cells(self.peer.is_some())));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
        let last = lines[0].len() - 1;
        for line in &lines {
            let mut text = format!("{:<width$}", line[0], width = width(0));
            for (column, cell) in line.iter().enumerate().take(last).skip(1) {
                write!(text, "  {cell:>width$}", width = width(column))?;
            }
            writeln!(formatter, "{}", format!("{text}  {}", line[last]).trim_end())?;
        }
        Ok(())
    }
}

/// Three digits that mean something, and no exponent.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The value that `part` of the others do not exceed. `NaN` for no values.
pub fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// The middle value, or the mean of the two in the middle. `NaN` for no values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => f64::NAN,
        (middle, 1) => sorted[middle],
        (middle, _) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_their_goals() {
        let mut table = Table::beside("32 flows", "oidc-provider");
        table.compare("flows", "1/s", Some(2_000.0), Some(1_000.0));
        table.compare("CPU", "ms", Some(0.3), Some(0.75)).goal(Goal::PartOfTheirs(1.0 / 3.0));
        table.compare("notified", "ms", Some(1.5), None).goal(Goal::AtMost(2.0));
        let expected = "\
32 flows      ciba-host  oidc-provider  ratio  goal
flows, 1/s         2000           1000   2.00
CPU, ms           0.300          0.750   0.40  ≤ 0.33 of theirs  missed
notified, ms       1.50              -      -  ≤ 2.00  met
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(&[4.0, 1.0]).to_bits(), 2.5_f64.to_bits());
        assert!(median(&[]).is_nan());
    }
}
