//! What an error of a database means for the row, for the storage, and for the person.
//!
//! The hard question is whether the row is at fault (T4). Taking a full disk for a bad row would put good
//! events in quarantine; taking a bad row for a full disk would stop everything behind it for ever.
//! So there are lists of both, and what is on neither is only held against a row when its neighbours
//! went into the same transaction.

use std::path::Path;

use sqlx::mysql::MySqlDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::sinks::table::StorageError;

/// What is wrong with a row.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// A key is there already: perhaps the event's id.
    Duplicate,
    /// It can't be stored, now or ever; in the database's words.
    Certain(String),
    /// The same, unless its neighbours can't be stored, either.
    Likely(String),
}

/// Which row's fault an error is that an `INSERT` met; `None` if it is no row's.
pub(super) fn fault(error: &sqlx::Error) -> Option<Fault> {
    let Some(database) = error.as_database_error() else {
        return match error {
            // A value that the driver can't even encode would meet the same fate every time.
            sqlx::Error::Encode(reason) => Some(Fault::Certain(reason.to_string())),
            _ => None,
        };
    };
    let words = || format!("the database refuses the row: {database}");
    if let Some(error) = database.try_downcast_ref::<MySqlDatabaseError>() {
        return of_mysql(error.number(), error.code().unwrap_or_default(), words);
    }
    if database.try_downcast_ref::<SqliteError>().is_some() {
        return of_sqlite(sqlite_code(database), database.message(), words);
    }
    Some(Fault::Likely(words()))
}

/// Errors by number, and where the number is unknown by the class of the SQLSTATE, which are the
/// first two characters: `22` is a data exception, `23` a violated constraint, and `45` what a
/// trigger signals. See MySQL's "Server Error Message Reference" and MariaDB's "Error Codes".
fn of_mysql(number: u16, state: &str, words: impl FnOnce() -> String) -> Option<Fault> {
    match number {
        // ER_DUP_KEY, ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME
        1022 | 1062 | 1586 => Some(Fault::Duplicate),
        // Data truncated (as which an ENUM refuses), out of range, too long, wrong value or
        // charset, wrong string for a function, a trigger's SIGNAL, CHECK constraints of both.
        1264 | 1265 | 1292 | 1366 | 1406 | 1411 | 1644 | 1690 | 3819 | 4025
        // Row size too large; JSON that is invalid, too large, too deep; what JSON functions say.
        | 1118 | 3140..=3158 | 4035..=4039 => Some(Fault::Certain(words())),
        // Disk full, table full, engine errors, read-only, no privilege, no such table or column,
        // no default for a column that was not there at the check, lock timeout, deadlock,
        // too many connections or locks, statement to be prepared anew, time limits.
        1020 | 1021 | 1030 | 1034 | 1036 | 1040..=1045 | 1054 | 1114 | 1142 | 1143 | 1146 | 1194
        | 1195 | 1205 | 1206 | 1213 | 1223 | 1226 | 1227 | 1290 | 1317 | 1364 | 1461 | 1615 | 1637
        | 1792 | 1836 | 1969 | 3024 | 3100 | 3572 => None,
        _ => match state.get(..2) {
            Some("22" | "23" | "45") => Some(Fault::Certain(words())),
            // Connection, privilege, transaction rolled back, operator intervention.
            Some("08" | "25" | "28" | "40" | "57" | "70") => None,
            _ => Some(Fault::Likely(words())),
        },
    }
}

/// Errors by result code; see <https://www.sqlite.org/rescode.html>.
fn of_sqlite(code: i32, message: &str, words: impl FnOnce() -> String) -> Option<Fault> {
    const CONSTRAINT_PRIMARYKEY: i32 = 1555;
    const CONSTRAINT_UNIQUE: i32 = 2067;
    match (code, code & 0xff) {
        (CONSTRAINT_PRIMARYKEY | CONSTRAINT_UNIQUE, _) => Some(Fault::Duplicate),
        // TOOBIG, CONSTRAINT, MISMATCH
        (_, 18..=20) => Some(Fault::Certain(words())),
        // ERROR: a statement that doesn't fit the table, or what a function in a trigger said.
        (_, 1) => {
            let of_the_table = ["no such", "has no column"];
            let of_the_table = of_the_table.iter().any(|words| message.contains(words));
            (!of_the_table).then(|| Fault::Likely(words()))
        }
        _ => None,
    }
}

fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> i32 {
    error.code().and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// What an error that no row is to blame for means for the storage. `what` says what was done, as
/// a participle, and `database` which one it was done with.
pub(super) fn storage_error(
    error: &sqlx::Error,
    what: &str,
    database: &str,
    file: Option<&Path>,
) -> StorageError {
    if let (Some(path), Some(error)) = (file, error.as_database_error()) {
        // CORRUPT and NOTADB
        if matches!(sqlite_code(error) & 0xff, 11 | 26) {
            return StorageError::Damaged {
                path: path.into(),
                reason: format!(
                    "not a whole SQLite database: {error}; restore it from a backup, or move it away and let `windrow replay` fill a new one"
                ),
            };
        }
    }
    let reason = match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::PoolTimedOut => {
            "every connection is in use, or none could be made in time".to_owned()
        }
        error => error.to_string(),
    };
    StorageError::Unavailable(format!("{what} {database}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql(number: u16, state: &str) -> Option<Fault> {
        of_mysql(number, state, String::new)
    }

    const CERTAIN: Option<Fault> = Some(Fault::Certain(String::new()));

    #[test]
    fn a_row_is_blamed_only_for_what_it_holds() {
        for (number, state) in [(1406, "22001"), (1265, "01000"), (1366, "HY000"), (4025, "23000")]
        {
            assert_eq!(mysql(number, state), CERTAIN, "{number}");
        }
        assert_eq!(mysql(9999, "22999"), CERTAIN);
        assert_eq!(mysql(1644, "45000"), CERTAIN);
        for (number, state) in [
            (1205, "HY000"),
            (1213, "40001"),
            (1021, "HY000"),
            (1114, "HY000"),
            (1146, "42S02"),
            (1142, "42000"),
            (1290, "HY000"),
            (1364, "HY000"),
            (9999, "08S01"),
        ] {
            assert_eq!(mysql(number, state), None, "{number}");
        }
        assert_eq!(mysql(1062, "23000"), Some(Fault::Duplicate));
        assert_eq!(mysql(9999, "HY000"), Some(Fault::Likely(String::new())));
    }

    #[test]
    fn sqlite_too() {
        let sqlite = |code, message| of_sqlite(code, message, String::new);
        assert_eq!(sqlite(1555, ""), Some(Fault::Duplicate));
        assert_eq!(sqlite(275, ""), CERTAIN);
        assert_eq!(sqlite(18, ""), CERTAIN);
        for code in [5, 261, 8, 10, 1034, 13, 14, 11, 26] {
            assert_eq!(sqlite(code, ""), None, "{code}");
        }
        assert_eq!(sqlite(1, "no such table: processed_events"), None);
        assert_eq!(sqlite(1, "malformed JSON"), Some(Fault::Likely(String::new())));
    }
}
