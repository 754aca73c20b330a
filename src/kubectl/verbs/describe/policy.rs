//! Requests for certificates, disruption budgets.

use super::Page;
use crate::verbs::rollout::selector_text;
use base64::Engine as _;
use kube::object::{int, text};
use kube::signing::Request;
use serde_json::Value;

pub(super) fn request(page: &mut Page, object: &Value, events: Option<&[Value]>) {
    let spec = &object["spec"];
    page.name(object, false);
    page.meta(object);
    page.line(
        0,
        format!(
            "CreationTimestamp:\t{}",
            super::date(text(object, "metadata.creationTimestamp"))
        ),
    );
    page.line(0, format!("Requesting User:\t{}", text(spec, "username")));
    page.line(0, format!("Signer:\t{}", text(spec, "signerName")));
    if let Some(seconds) = int(spec, "expirationSeconds") {
        page.line(
            0,
            format!(
                "Requested Duration:\t{}",
                kube::time::human_duration(seconds)
            ),
        );
    }
    page.line(0, format!("Status:\t{}", kube::signing::state(object)));
    let pem = base64::engine::general_purpose::STANDARD.decode(text(spec, "request"));
    let parsed = pem.ok().and_then(|pem| Request::parse(&pem).ok());
    if let Some(parsed) = parsed {
        page.line(0, "Subject:");
        page.line(0, format!("\tCommon Name:\t{}", parsed.common_name));
        page.line(0, format!("\tSerial Number:\t{}", parsed.serial_number));
        for (at, organization) in parsed.organizations.iter().enumerate() {
            let title = if at == 0 { "Organization:" } else { "" };
            page.line(0, format!("\t{title}\t{organization}"));
        }
    }
    page.events(events);
}

pub(super) fn budget(page: &mut Page, object: &Value, events: Option<&[Value]>) {
    page.name(object, true);
    for (title, field) in [
        ("Min available", "minAvailable"),
        ("Max unavailable", "maxUnavailable"),
    ] {
        match &object["spec"][field] {
            Value::Null => {}
            Value::String(percent) => page.line(0, format!("{title}:\t{percent}")),
            number => page.line(0, format!("{title}:\t{number}")),
        }
    }
    let selector = &object["spec"]["selector"];
    let shown = match selector_text(selector) {
        _ if !selector.is_object() => "<unset>".to_owned(),
        all if all.is_empty() => "<none>".to_owned(),
        some => some,
    };
    page.line(0, format!("Selector:\t{shown}"));
    page.line(0, "Status:");
    for (title, field) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        let count = int(&object["status"], field).unwrap_or(0);
        page.line(2, format!("{title}:\t{count}"));
    }
    page.events(events);
}
