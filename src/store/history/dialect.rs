//! What the three databases say differently.
//!
//! Rows go in as one JSON text that the database takes apart: ten thousand rows are one statement, and one form of it
//! does for all three.

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    /// MySQL 8 and MariaDB from 10.6.
    MySql,
    Postgres,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Integer(&'static str),
    Real(&'static str),
    Text(&'static str),
}

impl Dialect {
    /// Adds rows from a JSON list of lists. Of a row whose key is there already, the columns in `change` are replaced.
    pub fn insert(self, table: &str, columns: &[Column], key: &str, change: &[&str]) -> String {
        let names = columns.iter().map(|column| column.name()).collect::<Vec<_>>().join(", ");
        let rows = match self {
            Self::Sqlite => {
                let values: Vec<_> = (0..columns.len()).map(|index| format!("value->>{index}")).collect();
                // Without a condition it would take ON for the start of a join.
                format!("SELECT {} FROM json_each(?) WHERE true", values.join(", "))
            }
            Self::Postgres => {
                let value = |(index, column): (usize, &Column)| format!("(item->>{index})::{}", column.kind_of_postgres());
                let values: Vec<_> = columns.iter().enumerate().map(value).collect();
                format!("SELECT {} FROM json_array_elements(?::json) AS items(item)", values.join(", "))
            }
            Self::MySql => {
                let value = |(index, column): (usize, &Column)| format!("{} {} PATH '$[{index}]'", column.name(), column.kind_of_mysql());
                let values: Vec<_> = columns.iter().enumerate().map(value).collect();
                format!("SELECT {names} FROM JSON_TABLE(?, '$[*]' COLUMNS ({})) AS items", values.join(", "))
            }
        };
        self.numbered(&format!("INSERT INTO {table} ({names}) {rows} {}", self.unless_there(key, change)))
    }

    /// What becomes of a row whose key is there already.
    pub fn unless_there(self, key: &str, change: &[&str]) -> String {
        let first = key.split(',').next().unwrap_or(key);
        match (self, change) {
            (Self::MySql, []) => format!("ON DUPLICATE KEY UPDATE {first} = VALUES({first})"),
            (Self::MySql, _) => format!("ON DUPLICATE KEY UPDATE {}", listed(change, |name| format!("{name} = VALUES({name})"))),
            (_, []) => "ON CONFLICT DO NOTHING".to_owned(),
            (_, _) => format!("ON CONFLICT ({key}) DO UPDATE SET {}", listed(change, |name| format!("{name} = excluded.{name}"))),
        }
    }

    /// The numbers of a JSON list, as a query that gives them.
    pub fn numbers(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT value FROM json_each(?)",
            Self::Postgres => "SELECT item::bigint FROM json_array_elements_text(?::json) AS items(item)",
            Self::MySql => "SELECT item FROM JSON_TABLE(?, '$[*]' COLUMNS (item BIGINT PATH '$')) AS items",
        }
    }

    /// Division of integers.
    pub fn quotient(self, dividend: &str, divisor: i64) -> String {
        match self {
            Self::MySql => format!("{dividend} DIV {divisor}"),
            Self::Sqlite | Self::Postgres => format!("{dividend} / {divisor}"),
        }
    }

    /// Writes `?` as PostgreSQL wants it, `$1`.
    pub fn numbered(self, sql: &str) -> String {
        if self != Self::Postgres {
            return sql.to_owned();
        }
        let (mut text, mut number) = (String::with_capacity(sql.len() + 8), 0);
        for part in sql.split('?') {
            if number > 0 {
                text.push_str(&format!("${number}"));
            }
            text.push_str(part);
            number += 1;
        }
        text
    }

    /// A transaction that will write.
    pub fn begin(self) -> &'static str {
        match self {
            // One that reads first and writes later may be refused at once, whatever the patience.
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::MySql => "START TRANSACTION",
            Self::Postgres => "BEGIN",
        }
    }

    pub fn tables(self) -> &'static str {
        match self {
            Self::Sqlite => include_str!("tables/sqlite.sql"),
            Self::MySql => include_str!("tables/mysql.sql"),
            Self::Postgres => include_str!("tables/postgres.sql"),
        }
    }
}

impl Column {
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer(name) | Self::Real(name) | Self::Text(name) => name,
        }
    }

    fn kind_of_postgres(self) -> &'static str {
        match self {
            Self::Integer(_) => "bigint",
            Self::Real(_) => "double precision",
            Self::Text(_) => "text",
        }
    }

    fn kind_of_mysql(self) -> &'static str {
        match self {
            Self::Integer(_) => "BIGINT",
            Self::Real(_) => "DOUBLE",
            Self::Text(_) => "LONGTEXT CHARACTER SET utf8mb4",
        }
    }
}

fn listed(names: &[&str], form: impl Fn(&str) -> String) -> String {
    names.iter().map(|name| form(name)).collect::<Vec<_>>().join(", ")
}
