//! The grammar of a rule: `value op number[unit] [for hold] [until op number[unit]]`, read and written.

use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use super::{Aggregate, Hold, Op, Quantity, Span, Threshold, Unit};

/// A rule's text, understood: a threshold and how long it must be broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentence {
    pub threshold: Threshold,
    /// `for`; one reading where the text does not say.
    pub hold: Hold,
}

/// Why a rule's text cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Misread {
    /// The bytes of the text at fault; empty at its end when something is missing there.
    pub at: Range<usize>,
    pub message: String,
    /// What to write instead; may be empty.
    pub help: String,
}

/// The longest history an aggregate may look back on, so that it fits in memory for thousands of targets.
pub const LONGEST_SPAN: u32 = 10_000;

const LONGEST_HOLD: Duration = Duration::from_secs(366 * 86_400);
const OPERATORS: &str = "write one of > >= < <= == !=";
const UNITS: &str = "the units are %, ms, s, m, h, d, KiB, MiB, GiB and TiB";

impl FromStr for Sentence {
    type Err = Misread;

    fn from_str(text: &str) -> Result<Self, Misread> {
        let mut cursor = Cursor { text, at: 0 };
        let (metric, over) = cursor.value()?;
        let op = cursor.operator(&format!("after `{metric}`"))?;
        let (limit, _) = cursor.quantity()?;
        let hold = if cursor.word("for") { cursor.hold()? } else { Hold::Count(1) };
        let until = if cursor.word("until") { Some(cursor.until(op, limit)?) } else { None };
        cursor.end(until.is_some())?;
        Ok(Self { threshold: Threshold { metric: metric.into(), over, op, limit, until }, hold })
    }
}

/// Walks over the text; every step either takes what it expects or says what stands there instead.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// A count or a length of time: what `for` and the span of an aggregate have in common.
enum Extent {
    Count(u32),
    Lasting(Duration),
}

impl<'a> Cursor<'a> {
    /// A metric, or an aggregate of one.
    fn value(&mut self) -> Result<(String, Option<(Aggregate, Span)>), Misread> {
        let start = self.skip_space();
        let name = self.name("the name of a value, such as `cpu`")?;
        let after = self.skip_space();
        if !self.take("(") {
            return Ok((name.to_owned(), None));
        }
        let aggregate =
            aggregate(name).ok_or_else(|| misread(start..after, format!("`{name}` is not a function"), "write avg, min or max"))?;
        let metric = self.name("the name of a value, such as `cpu`")?;
        self.expect(",", &format!("write `{name}({metric}, 60)` for the last 60 readings"))?;
        let span = self.span()?;
        self.expect(")", "close the function with `)`")?;
        Ok((metric.to_owned(), Some((aggregate, span))))
    }

    fn span(&mut self) -> Result<Span, Misread> {
        let (extent, at) = self.extent("a count of readings or a duration, such as `60` or `10m`")?;
        match extent {
            Extent::Count(0) => Err(misread(at, "a span of 0 readings has no value", "write 1 or more")),
            Extent::Count(count) if count > LONGEST_SPAN => {
                Err(misread(at, format!("a span of {count} readings is too long"), format!("at most {LONGEST_SPAN}")))
            }
            Extent::Count(count) => Ok(Span::Readings(count)),
            Extent::Lasting(Duration::ZERO) => Err(misread(at, "a span of no time has no value", "write a longer one, such as `10m`")),
            Extent::Lasting(time) => Ok(Span::Lasting(time)),
        }
    }

    fn hold(&mut self) -> Result<Hold, Misread> {
        let (extent, at) = self.extent("a count or a duration after `for`, such as `5` or `30m`")?;
        match extent {
            Extent::Count(0) | Extent::Lasting(Duration::ZERO) => {
                Err(misread(at, "`for` needs at least one reading", "leave `for` out to fail at the first bad reading"))
            }
            Extent::Count(count) => Ok(Hold::Count(count)),
            Extent::Lasting(time) => Ok(Hold::Lasting(time)),
        }
    }

    /// The good side of a hysteresis; it must lie where the limit is not broken.
    fn until(&mut self, op: Op, limit: Quantity) -> Result<(Op, Quantity), Misread> {
        let start = self.skip_space();
        let back = self.operator("after `until`")?;
        let (good, at) = self.quantity()?;
        let at = start..at.end;
        if !good.unit.measures_like(limit.unit) {
            let (is, was) = (good.unit.described(), limit.unit.described());
            return Err(misread(at, format!("`until` is {is}, but the limit is {was}"), "give both the same unit"));
        }
        if overlap((op, limit.base), (back, good.base)) {
            return Err(misread(
                at,
                format!("`until {back} {good}` can be good again while `{op} {limit}` is still broken"),
                "`until` names a value on the good side of the limit: `> 95% until < 90%`",
            ));
        }
        Ok((back, good))
    }

    fn operator(&mut self, place: &str) -> Result<Op, Misread> {
        let start = self.skip_space();
        let length = self.rest().find(|c| !"<>=!~≥≤≠".contains(c)).unwrap_or(self.rest().len());
        let symbol = &self.text[start..start + length];
        if symbol.is_empty() {
            let (at, found) = self.found();
            return Err(misread(at, format!("expected an operator {place}, found {found}"), OPERATORS));
        }
        self.at += length;
        Op::of(symbol).ok_or_else(|| {
            let message = format!("`{symbol}` is not an operator");
            let meant = match symbol {
                "=>" | "≥" | ">==" => ">=",
                "=<" | "≤" | "<==" => "<=",
                "=" | "===" | "~=" => "==",
                "<>" | "!" | "=!" | "≠" | "!==" => "!=",
                ">>" => ">",
                "<<" => "<",
                _ => return misread(start..self.at, message, OPERATORS),
            };
            misread(start..self.at, message, format!("did you mean `{meant}`?"))
        })
    }

    /// A number with or without a unit, and where it stands.
    fn quantity(&mut self) -> Result<(Quantity, Range<usize>), Misread> {
        let start = self.skip_space();
        let number = self.number();
        let value = match number.parse::<f64>() {
            Ok(value) if value.is_finite() => value,
            Ok(_) => return Err(misread(start..self.at, "this number is too large", "")),
            Err(_) => {
                self.at = start;
                let (at, found) = self.found();
                return Err(misread(at, format!("expected a number, found {found}"), "write a limit such as `90%`"));
            }
        };
        let unit_at = self.unit_after_number();
        let written = &self.text[unit_at.clone()];
        let unit = Unit::of(written).ok_or_else(|| unknown_unit(unit_at, written))?;
        let base = unit.to_base(value);
        if !base.is_finite() {
            return Err(misread(start..self.at, "this number is too large", ""));
        }
        Ok((Quantity { base, unit }, start..self.at))
    }

    /// A count, or a duration in whole units: `5`, `30m`, `1h 30m`.
    fn extent(&mut self, expected: &str) -> Result<(Extent, Range<usize>), Misread> {
        let start = self.skip_space();
        let mut total = None::<Duration>;
        loop {
            let part = self.at;
            let length = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
            if length == 0 {
                let (at, found) = self.found();
                return Err(misread(at, format!("expected {expected}, found {found}"), ""));
            }
            self.at += length;
            let number: u32 = self.text[part..self.at].parse().map_err(|_| misread(part..self.at, "this number is too large", ""))?;
            if self.rest().starts_with('.') {
                return Err(misread(start..self.at + 1, "expected a whole number", "write `1h 30m` instead of `1.5h`"));
            }
            let unit_at = self.unit_after_number();
            let unit = &self.text[unit_at.clone()];
            if unit.is_empty() && total.is_none() {
                return Ok((Extent::Count(number), start..self.at));
            }
            let length = match unit {
                "ms" => Duration::from_millis(number.into()),
                "s" => Duration::from_secs(number.into()),
                "m" => Duration::from_secs(u64::from(number) * 60),
                "h" => Duration::from_secs(u64::from(number) * 3600),
                "d" => Duration::from_secs(u64::from(number) * 86_400),
                "" => return Err(misread(part..self.at, "this number has no unit", "the units are ms, s, m, h and d")),
                _ => {
                    let message = format!("`{unit}` is not a unit of time");
                    return Err(misread(unit_at, message, "the units are ms, s, m, h and d"));
                }
            };
            let sum = total.unwrap_or_default() + length;
            if sum > LONGEST_HOLD {
                return Err(misread(start..self.at, "this is longer than a year", ""));
            }
            total = Some(sum);
            let end = self.at;
            self.skip_space();
            if !self.rest().starts_with(|c: char| c.is_ascii_digit()) {
                self.at = end;
                return Ok((Extent::Lasting(sum), start..end));
            }
        }
    }

    /// Nothing may follow; what often does gets a word of its own.
    fn end(&mut self, has_until: bool) -> Result<(), Misread> {
        self.skip_space();
        if self.rest().is_empty() {
            return Ok(());
        }
        let (at, found) = self.found();
        let help = match &self.text[at.clone()] {
            "for" if has_until => "write `for` before `until`: `disk > 95% for 2h until < 90%`",
            "and" | "or" | "&&" | "||" => "a rule has one condition; write two rules",
            _ => "after the limit come only `for 5` or `for 30m`, then `until < 80%`",
        };
        Err(misread(at, format!("did not expect {found} here"), help))
    }

    fn name(&mut self, expected: &str) -> Result<&'a str, Misread> {
        let start = self.skip_space();
        let rest = self.rest();
        if !rest.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let (at, found) = self.found();
            return Err(misread(at, format!("expected {expected}, found {found}"), ""));
        }
        let length = rest.find(|c: char| !c.is_alphanumeric() && !"_.-:".contains(c)).unwrap_or(rest.len());
        self.at += length;
        Ok(&self.text[start..self.at])
    }

    fn number(&mut self) -> &'a str {
        let start = self.at;
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let length = rest[sign..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len() - sign);
        self.at += sign + length;
        &self.text[start..self.at]
    }

    /// Where the unit of the number just read stands; nowhere when a keyword, a bracket or the end follows.
    fn unit_after_number(&mut self) -> Range<usize> {
        let end = self.at;
        let start = self.skip_space();
        let length = self.rest().find(|c: char| !c.is_alphabetic() && c != '%').unwrap_or(self.rest().len());
        let detached = start > end;
        if length == 0 || (detached && Unit::of(&self.text[start..start + length]).is_none()) {
            self.at = end;
            return end..end;
        }
        self.at = start + length;
        start..self.at
    }

    fn word(&mut self, word: &str) -> bool {
        self.skip_space();
        let follows = self.rest().strip_prefix(word);
        let whole = follows.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        if whole {
            self.at += word.len();
        }
        whole
    }

    fn expect(&mut self, symbol: &str, help: &str) -> Result<(), Misread> {
        self.skip_space();
        if self.take(symbol) {
            return Ok(());
        }
        let (at, found) = self.found();
        Err(misread(at, format!("expected `{symbol}`, found {found}"), help))
    }

    fn take(&mut self, symbol: &str) -> bool {
        let taken = self.rest().starts_with(symbol);
        if taken {
            self.at += symbol.len();
        }
        taken
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) -> usize {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.at
    }

    /// What stands here, for an error: a word, a symbol or the end.
    fn found(&mut self) -> (Range<usize>, String) {
        let start = self.skip_space();
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return (start..start, "the end of the rule".to_owned());
        };
        let belongs = |c: char| {
            if first.is_alphanumeric() { c.is_alphanumeric() || "_.%".contains(c) } else { c == first }
        };
        let length = rest.find(|c: char| !belongs(c)).unwrap_or(rest.len());
        (start..start + length, format!("`{}`", &rest[..length]))
    }
}

fn misread(at: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Misread {
    Misread { at, message: message.into(), help: help.into() }
}

fn unknown_unit(at: Range<usize>, written: &str) -> Misread {
    let meant = match written.to_lowercase().as_str() {
        "k" | "kb" | "kib" => "KiB",
        "mb" | "mib" => "MiB",
        "g" | "gb" | "gib" => "GiB",
        "t" | "tb" | "tib" => "TiB",
        "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "hour" | "hours" | "hr" => "h",
        "day" | "days" => "d",
        "msec" | "millis" => "ms",
        "percent" | "%%" => "%",
        _ => return misread(at, format!("`{written}` is not a unit"), UNITS),
    };
    misread(at, format!("`{written}` is not a unit"), format!("did you mean `{meant}`?"))
}

fn aggregate(name: &str) -> Option<Aggregate> {
    match name {
        "avg" => Some(Aggregate::Average),
        "min" => Some(Aggregate::Minimum),
        "max" => Some(Aggregate::Maximum),
        _ => None,
    }
}

/// Whether some value satisfies both conditions. Each is constant below, at, between and above the two
/// numbers, so one value of each stretch decides.
fn overlap((op, limit): (Op, f64), (back, good): (Op, f64)) -> bool {
    let middle = limit / 2.0 + good / 2.0;
    [f64::NEG_INFINITY, limit, middle, good, f64::INFINITY].into_iter().any(|value| op.holds(value, limit) && back.holds(value, good))
}

#[cfg(test)]
mod tests;
