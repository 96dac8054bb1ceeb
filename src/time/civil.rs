//! Dates of the proleptic Gregorian calendar as numbers of days, by the method of H. Hinnant,
//! "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the leap day comes
//! last, and repeat every 400.

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: i64 = 146_097;

/// Days from 1970-01-01 to a date. `month` is 1 to 12, `day` 1 to 31.
#[inline]
pub(super) const fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    // One more era, so that January of year 0 doesn't go below zero.
    let march_year = year + 400 - (month <= 2) as u32;
    let era = march_year / 400;
    let year_of_era = march_year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era as i64 - 1) * ERA_DAYS + day_of_era as i64 - EPOCH_DAYS
}

/// Year, month and day of a number of days since 1970-01-01; for years from 0.
pub(super) const fn civil_from_days(days: i64) -> (u32, u32, u32) {
    let from_march = days + EPOCH_DAYS;
    let era = from_march.div_euclid(ERA_DAYS);
    let day_of_era = from_march.rem_euclid(ERA_DAYS) as u32;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    // Signed, since year 0 begins before March of it does, in the era before.
    let year = era * 400 + year_of_era as i64 + (month <= 2) as i64;
    (year as u32, month, day)
}

/// Days of a month; `month` is 1 to 12.
#[inline]
pub(super) const fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[inline]
const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Datelike;

    #[test]
    fn every_day_of_the_range_agrees_with_chrono() {
        let mut day = chrono::NaiveDate::from_ymd_opt(1677, 1, 1).unwrap();
        let mut days = days_from_civil(1677, 1, 1);
        while day.year() <= 2262 {
            let (year, month) = (day.year() as u32, day.month());
            assert_eq!(days_from_civil(year, month, day.day()), days, "{day}");
            assert_eq!(civil_from_days(days), (year, month, day.day()), "{day}");
            let next = day.succ_opt().unwrap();
            if next.month() != month {
                assert_eq!(days_in_month(year, month), day.day(), "{day}");
            }
            (day, days) = (next, days + 1);
        }
        assert_eq!(days_from_civil(1970, 1, 1), 0);
    }

    #[test]
    fn the_first_days_of_year_0_are_in_it() {
        for date in [(0, 1, 1), (0, 2, 29), (0, 3, 1)] {
            let (year, month, day) = date;
            assert_eq!(civil_from_days(days_from_civil(year, month, day)), date);
        }
    }
}
