//! The custom webhook: Firebell's own format, one alert a body.

use crate::error::Error;
use crate::json;
use crate::model::{Alert, AlertLimits, Services, Warning};

pub(super) fn parse(body: &[u8], services: &Services<'_>) -> Result<(Alert, Vec<Warning>), Error> {
    let members = json::parse_object(body)?;
    Alert::read(members, AlertLimits::CUSTOM, services.problem)
}
