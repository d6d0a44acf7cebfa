//! `strftime_now`: today's date, which some templates put into their system message.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The present time in UTC under a format of `strftime`; a directive that is not known stands as it is.
pub(super) fn strftime_now(format: &str) -> String {
    strftime(format, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs())
}

fn strftime(format: &str, seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let weekday = (days + 4) % 7; // 1970-01-01 was a Thursday
    let in_year = days - days_before(year) + 1;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let directive = chars.next();
        // `%-d`: without the leading zero.
        let (directive, padded) = match directive {
            Some('-') => (chars.next(), false),
            other => (other, true),
        };
        let number = |value: u64, width: usize| {
            if padded { format!("{value:0width$}") } else { value.to_string() }
        };
        out.push_str(&match directive {
            Some('Y') => year.to_string(),
            Some('y') => number(year % 100, 2),
            Some('m') => number(month, 2),
            Some('d') => number(day, 2),
            Some('e') => {
                if padded {
                    format!("{day:2}")
                } else {
                    day.to_string()
                }
            }
            Some('j') => number(in_year, 3),
            Some('H') => number(hour, 2),
            Some('I') => number((hour + 11) % 12 + 1, 2),
            Some('M') => number(minute, 2),
            Some('S') => number(second % 60, 2),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('B') => MONTHS[month as usize - 1].to_owned(),
            Some('b' | 'h') => MONTHS[month as usize - 1][..3].to_owned(),
            Some('A') => DAYS[weekday as usize].to_owned(),
            Some('a') => DAYS[weekday as usize][..3].to_owned(),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{:02}", second % 60),
            Some('Z') => "UTC".to_owned(),
            Some('%') => "%".to_owned(),
            Some(other) => format!("%{other}"),
            None => "%".to_owned(),
        });
    }
    out
}

fn is_leap(year: u64) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

/// Days from 1970-01-01 to the first of January of a year not before 1970.
fn days_before(year: u64) -> u64 {
    let leaps = |y: u64| y / 4 - y / 100 + y / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

/// Year, month and day (from 1) of a day since 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    while days_before(year + 1) <= days {
        year += 1;
    }
    let mut rest = days - days_before(year);
    let february = if is_leap(year) { 29 } else { 28 };
    for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if rest < length {
            return (year, month, rest + 1);
        }
        rest -= length;
    }
    (year, 12, 31) // a year's months cover its days
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected strings are those of GNU `date -u -d @SECONDS`.
    #[test]
    fn dates_are_those_of_the_calendar() {
        let format = "%Y-%m-%d %a %A %b %B %d %-d %j %H:%M:%S %I %p %y %% %F %T";
        for (seconds, expected) in [
            (0, "1970-01-01 Thu Thursday Jan January 01 1 001 00:00:00 12 AM 70 % 1970-01-01 00:00:00"),
            (
                951_782_399,
                "2000-02-28 Mon Monday Feb February 28 28 059 23:59:59 11 PM 00 % 2000-02-28 23:59:59",
            ),
            (
                951_782_400,
                "2000-02-29 Tue Tuesday Feb February 29 29 060 00:00:00 12 AM 00 % 2000-02-29 00:00:00",
            ),
            (
                4_107_542_400,
                "2100-03-01 Mon Monday Mar March 01 1 060 00:00:00 12 AM 00 % 2100-03-01 00:00:00",
            ),
            (
                1_798_761_599,
                "2026-12-31 Thu Thursday Dec December 31 31 365 23:59:59 11 PM 26 % 2026-12-31 23:59:59",
            ),
        ] {
            assert_eq!(strftime(format, seconds), expected);
        }
    }
}
