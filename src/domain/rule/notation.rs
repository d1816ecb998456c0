//! How the parts of a rule are written: operators, units, numbers, durations.

use std::fmt;
use std::time::Duration;

use super::{Aggregate, Hold, Op, Quantity, Sentence, Span, Threshold, Unit};

impl Op {
    pub(super) fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            _ => return None,
        })
    }

    /// Whether `value op limit`.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Greater => value > limit,
            Self::GreaterOrEqual => value >= limit,
            Self::Less => value < limit,
            Self::LessOrEqual => value <= limit,
            Self::Equal => value == limit,
            Self::NotEqual => value != limit,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        })
    }
}

impl Unit {
    pub(super) fn of(written: &str) -> Option<Self> {
        Some(match written {
            "" => Self::None,
            "%" => Self::Percent,
            "ms" => Self::Milliseconds,
            "s" => Self::Seconds,
            "m" => Self::Minutes,
            "h" => Self::Hours,
            "d" => Self::Days,
            "KiB" => Self::KiB,
            "MiB" => Self::MiB,
            "GiB" => Self::GiB,
            "TiB" => Self::TiB,
            _ => return None,
        })
    }

    /// A number in this unit as seconds, bytes or percent.
    pub fn to_base(self, number: f64) -> f64 {
        match self {
            // Not `* 0.001`: a thousand is exact, a thousandth is not.
            Self::Milliseconds => number / 1000.0,
            _ => number * self.size(),
        }
    }

    /// Seconds, bytes or percent as a number in this unit.
    pub fn from_base(self, base: f64) -> f64 {
        match self {
            Self::Milliseconds => base * 1000.0,
            _ => base / self.size(),
        }
    }

    fn size(self) -> f64 {
        match self {
            Self::None | Self::Percent | Self::Seconds => 1.0,
            Self::Milliseconds => 0.001,
            Self::Minutes => 60.0,
            Self::Hours => 3600.0,
            Self::Days => 86_400.0,
            Self::KiB => 1024.0,
            Self::MiB => 1_048_576.0,
            Self::GiB => 1_073_741_824.0,
            Self::TiB => 1_099_511_627_776.0,
        }
    }

    /// Whether both measure the same: time, size, percent or a plain number.
    pub(super) fn measures_like(self, other: Self) -> bool {
        self.described() == other.described()
    }

    pub(super) fn described(self) -> &'static str {
        match self {
            Self::None => "a plain number",
            Self::Percent => "in percent",
            Self::Milliseconds | Self::Seconds | Self::Minutes | Self::Hours | Self::Days => "a time",
            Self::KiB | Self::MiB | Self::GiB | Self::TiB => "a size",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::Percent => "%",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Minutes => "m",
            Self::Hours => "h",
            Self::Days => "d",
            Self::KiB => "KiB",
            Self::MiB => "MiB",
            Self::GiB => "GiB",
            Self::TiB => "TiB",
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.unit.from_base(self.base);
        // The shortest decimal that reads back as the same base: 0.3 ms must not show as 0.30000000000000004.
        let shortest = (0..=15)
            .map(|digits| format!("{number:.digits$}"))
            .find(|text| text.parse().is_ok_and(|read| self.unit.to_base(read) == self.base));
        match shortest {
            Some(text) => write!(f, "{text}{}", self.unit),
            None => write!(f, "{number}{}", self.unit),
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Average => "avg",
            Self::Minimum => "min",
            Self::Maximum => "max",
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readings(count) => write!(f, "{count}"),
            Self::Lasting(time) => write_duration(f, *time),
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Lasting(time) => write_duration(f, *time),
        }
    }
}

impl Threshold {
    /// What it looks at, without limits: `mem`, `avg(cpu, 60)`.
    pub fn value(&self) -> String {
        match &self.over {
            None => self.metric.to_string(),
            Some((aggregate, span)) => format!("{aggregate}({}, {span})", self.metric),
        }
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Threshold { op, limit, until, .. } = &self.threshold;
        write!(f, "{} {op} {limit}", self.threshold.value())?;
        if self.hold != Hold::Count(1) {
            write!(f, " for {}", self.hold)?;
        }
        if let Some((op, limit)) = until {
            write!(f, " until {op} {limit}")?;
        }
        Ok(())
    }
}

fn write_duration(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    let seconds = time.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(time.subsec_millis()), "ms"),
    ];
    let written: Vec<_> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    f.write_str(&written.join(" "))
}
