//! From columns to validated types and back. A column that does not hold what its type demands
//! is an error of the row, never a value.

use std::error::Error;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::{FromSql, Type, ValueRef};

type Result<T> = rusqlite::Result<T>;

fn misfit(
    row: &Row<'_>,
    column: &str,
    why: impl Into<Box<dyn Error + Send + Sync>>,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, why.into())
}

/// A text column through its type's parser.
pub(super) fn parsed<T>(row: &Row<'_>, column: &str) -> Result<T>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>>,
{
    row.get::<_, String>(column)?.parse().map_err(|why: T::Err| misfit(row, column, why))
}

/// A number column through its type's bounds.
pub(super) fn bounded<N, T>(row: &Row<'_>, column: &str) -> Result<T>
where
    N: FromSql,
    T: TryFrom<N, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    T::try_from(row.get::<_, N>(column)?).map_err(|why| misfit(row, column, why))
}

/// A time column.
pub(super) fn time(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|why| misfit(row, column, why))
}

/// A column that may be empty, read as `read` does when it is not.
pub(super) fn if_any<T>(
    row: &Row<'_>,
    column: &str,
    read: impl Fn(&Row<'_>, &str) -> Result<T>,
) -> Result<Option<T>> {
    if row.get_ref(column)? == ValueRef::Null { Ok(None) } else { read(row, column).map(Some) }
}

/// A time as it is stored.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// A size as it is stored; past 8 EiB it means "no limit" either way.
pub(super) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
