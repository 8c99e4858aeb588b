//! `business_date(instant, zone)`: the day of an instant in a time zone of the IANA database. It is the
//! one function of ours that shipped SQL calls; on PostgreSQL it is
//! `(instant AT TIME ZONE zone)::date`, on Spark `to_date(from_utc_timestamp(instant, zone))`.
//!
//! Null where either is null or the zone is not known, so that a caller falls back on the day as written.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Date32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use jiff::Timestamp;
use jiff::tz::TimeZone;

const DAY_SECONDS: i64 = 86_400;

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct BusinessDate {
    signature: Signature,
}

impl BusinessDate {
    pub(crate) fn new() -> BusinessDate {
        BusinessDate { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for BusinessDate {
    fn name(&self) -> &'static str {
        "business_date"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let instants = cast(&arrays[0], &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let instants = instants.as_primitive::<TimestampMicrosecondType>();
        let names = cast(&arrays[1], &DataType::Utf8)?;
        let names = names.as_string::<i32>();
        let mut zones: HashMap<&str, Option<TimeZone>> = HashMap::new();
        let days: Date32Array = (0..instants.len())
            .map(|row| {
                if instants.is_null(row) || names.is_null(row) {
                    return None;
                }
                let name = names.value(row);
                let zone = zones.entry(name).or_insert_with(|| TimeZone::get(name).ok());
                day(instants.value(row), zone.as_ref()?)
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(days)))
    }
}

/// The day, in days since 1970-01-01.
fn day(micros: i64, zone: &TimeZone) -> Option<i32> {
    let at = Timestamp::from_microsecond(micros).ok()?;
    let seconds = at.as_second() - i64::from(at.subsec_nanosecond() < 0);
    let local = seconds + i64::from(zone.to_offset(at).seconds());
    i32::try_from(local.div_euclid(DAY_SECONDS)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_that_of_the_zone() {
        let cases = [
            ("2026-02-01T06:30:00Z", "America/Denver", "2026-01-31"),
            ("2026-02-01T07:00:00Z", "America/Denver", "2026-02-01"),
            // Daylight saving time moves midnight by an hour.
            ("2026-07-01T05:59:59Z", "America/Denver", "2026-06-30"),
            ("2026-07-01T06:00:00Z", "America/Denver", "2026-07-01"),
            ("2026-03-08T06:59:59Z", "America/Denver", "2026-03-07"),
            ("2026-03-09T05:59:59Z", "America/Denver", "2026-03-08"),
            ("2025-12-31T23:59:59.999999Z", "UTC", "2025-12-31"),
            ("2025-12-31T18:30:00Z", "Asia/Kolkata", "2026-01-01"),
            ("1969-12-31T23:59:59.5Z", "UTC", "1969-12-31"),
        ];
        for (instant, zone, expected) in cases {
            let at: Timestamp = instant.parse().expect(instant);
            let zone = TimeZone::get(zone).expect(zone);
            let date: jiff::civil::Date = expected.parse().expect(expected);
            let epoch = jiff::civil::date(1970, 1, 1);
            let days = epoch.until(date).expect(expected).get_days();
            assert_eq!(day(at.as_microsecond(), &zone), Some(days), "{instant}");
        }
    }
}
