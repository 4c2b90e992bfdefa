//! What a sender delivered, as it is kept for people to look at and to send again.

/// A request to an integration, and what it was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// 0 until it is stored.
    pub id: i64,
    /// The name of the integration.
    pub integration: String,
    /// When it was answered.
    pub at: i64,
    /// The id of the request.
    pub request_id: String,
    /// The status of the answer.
    pub status: u16,
    /// Code and text of a refusal.
    pub error: Option<(String, String)>,
    /// What became of its alerts: a JSON object of outcomes, each with a number of alerts.
    pub outcomes: String,
    /// The first of their incidents' numbers.
    pub incidents: Vec<String>,
    /// It proved who sent it, as far as its integration asks for that.
    pub proven: bool,
    /// The delivery that this one sent again.
    pub replays: Option<i64>,
    /// Bytes of its body, as announced or as far as it was read.
    pub size: i64,
    /// What was sent. Lists leave it empty.
    pub request: KeptRequest,
}

/// What is kept of a request itself: nothing that proves who sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptRequest {
    /// Its path, as the table of routes writes it.
    pub route: String,
    /// What stood in the path behind the key.
    pub topic: Option<String>,
    /// What stood behind the `?` of its URL.
    pub query: Option<String>,
    /// Its headers, `name: value`, one a line.
    pub headers: String,
    /// Its body.
    pub body: Vec<u8>,
    /// The body is not all there.
    pub cut: bool,
    /// Secrets were taken out of the body.
    pub redacted: bool,
}

impl KeptRequest {
    /// Its headers by name.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.lines().filter_map(|line| line.split_once(": "))
    }
}

/// Bytes that a delivery counts for besides its texts.
const ROW_BYTES: usize = 256;

impl Delivery {
    /// What it counts for, where bytes are counted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let error = self.error.as_ref().map_or(0, |(_, text)| text.len());
        let KeptRequest { topic, query, headers, body, .. } = &self.request;
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        ROW_BYTES + error + length(topic) + length(query) + headers.len() + body.len()
    }
}

/// What is known of an integration's deliveries as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliverySummary {
    /// How many are kept.
    pub kept: i64,
    /// How many of them were refused.
    pub refused: i64,
    /// The last one, as in a list.
    pub last: Option<Delivery>,
}
