//! What a container that is only said to run has written to its log.

use crate::image;

/// The log, in the CRI's format, of a container that started at `now`; empty for programs
/// that say nothing when they start.
pub fn log(image: &str, now: jiff::Timestamp) -> String {
    let utc = now.to_zoned(jiff::tz::TimeZone::UTC);
    let lines: Vec<String> = match image::repository(image) {
        "nginx" => {
            let time = utc.strftime("%Y/%m/%d %H:%M:%S");
            [
                "using the \"epoll\" event method",
                "nginx/1.27.4",
                "start worker processes",
                "start worker process 29",
            ]
            .iter()
            .map(|text| format!("{time} [notice] 1#1: {text}"))
            .collect()
        }
        "httpd" => {
            let time = utc.strftime("%a %b %d %H:%M:%S.%6f %Y");
            vec![
                format!(
                    "[{time}] [mpm_event:notice] [pid 1:tid 1] AH00489: Apache/2.4.63 (Unix) configured -- resuming normal operations"
                ),
                format!(
                    "[{time}] [core:notice] [pid 1:tid 1] AH00094: Command line: 'httpd -D FOREGROUND'"
                ),
            ]
        }
        "redis" => {
            let time = utc.strftime("%d %b %Y %H:%M:%S.%3f");
            vec![
                format!("1:M {time} * Server initialized"),
                format!("1:M {time} * Ready to accept connections tcp"),
            ]
        }
        _ => Vec::new(),
    };
    let stamp = utc.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string();
    // What programs call notices goes to the stream of errors.
    let stream = if image::repository(image) == "redis" {
        "stdout"
    } else {
        "stderr"
    };
    lines
        .iter()
        .map(|line| format!("{stamp} {stream} F {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_the_form_of_the_cri() {
        let text = log("nginx:1.27", jiff::Timestamp::UNIX_EPOCH);
        assert!(text.starts_with(
            "1970-01-01T00:00:00.000000000Z stderr F 1970/01/01 00:00:00 [notice] 1#1: "
        ));
        assert_eq!(log("busybox", jiff::Timestamp::UNIX_EPOCH), "");
    }
}
