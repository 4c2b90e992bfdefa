//! What happened in a span of time, in numbers: how many incidents there were, how long they took, and which keys come
//! again and again.

use std::collections::HashMap;

use super::{Number, Severity};

const SEVERITIES: usize = Severity::ALL.len();

/// Keys whose occurrences are added up at once. Where there are more, the quietest are forgotten, so that senders who
/// never use a key twice fill no memory.
const MOST_KEYS: usize = 20_000;

/// Noisy keys that are told.
const NOISIEST: usize = 10;

/// A span of time in equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// Where the first one begins, in milliseconds since 1970.
    pub from_ms: i64,
    /// How long each is.
    pub width_ms: i64,
    /// How many there are.
    pub count: usize,
}

impl Buckets {
    /// The last `count` of that width, the one that `now_ms` is in included. They begin at multiples of their width
    /// since 1970, which for hours and days are those of UTC.
    #[must_use]
    pub fn up_to(now_ms: i64, width_ms: i64, count: usize) -> Self {
        let width_ms = width_ms.max(1);
        let last = now_ms.div_euclid(width_ms) * width_ms;
        Self { from_ms: last - width_ms * (count as i64 - 1), width_ms, count }
    }

    /// Where one begins; that of their number is where they end.
    #[must_use]
    pub const fn start(&self, index: usize) -> i64 {
        self.from_ms + self.width_ms * index as i64
    }

    /// Where the last one ends; that millisecond is no part of it.
    #[must_use]
    pub const fn end_ms(&self) -> i64 {
        self.start(self.count)
    }

    /// The one that a time is in.
    #[must_use]
    pub fn of(&self, at_ms: i64) -> Option<usize> {
        let index = usize::try_from((at_ms - self.from_ms).div_euclid(self.width_ms.max(1))).ok()?;
        (index < self.count).then_some(index)
    }
}

/// What an overview has to know of an incident.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// Which one it is.
    pub number: Number,
    /// How bad it is.
    pub severity: Severity,
    /// When it was recorded.
    pub created_at: i64,
    /// When it was acknowledged, if it was and has not been re-opened since.
    pub acknowledged_at: Option<i64>,
    /// When it was resolved, likewise.
    pub resolved_at: Option<i64>,
    /// When it was closed.
    pub closed_at: Option<i64>,
    /// How often it was sent.
    pub occurrences: i64,
    /// The store's number of its integration; 0: it has none.
    pub integration: i64,
    /// What it is deduplicated by.
    pub dedup_key: Option<&'a str>,
}

/// How long something took, in whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Of how many incidents that is known.
    pub count: usize,
    /// Half of them took no longer.
    pub median_s: i64,
    /// Nine of ten took no longer.
    pub p90_s: i64,
}

impl Took {
    fn of(mut seconds: Vec<u32>) -> Self {
        seconds.sort_unstable();
        // The nearest rank: a value that some incident really had.
        let rank = |percent: usize| {
            let at = (seconds.len() * percent).div_ceil(100).max(1) - 1;
            seconds.get(at).copied().unwrap_or(0).into()
        };
        Self { count: seconds.len(), median_s: rank(50), p90_s: rank(90) }
    }
}

/// A key that was sent often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoisyKey {
    /// What incidents are deduplicated by.
    pub dedup_key: String,
    /// The name of their integration, if they have one.
    pub integration: Option<String>,
    /// The title of the newest of them.
    pub title: String,
    /// How many incidents it made.
    pub incidents: i64,
    /// How often they were sent in all.
    pub occurrences: i64,
}

/// What happened in a span of time.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Its parts.
    pub buckets: Buckets,
    /// How many incidents were recorded in each, by severity.
    pub created: Vec<[i64; SEVERITIES]>,
    /// How many were open at the end of each.
    pub open: Vec<i64>,
    /// From the record to the acknowledgement, by severity.
    pub acknowledge: [Took; SEVERITIES],
    /// From the record to the resolution, by severity.
    pub resolve: [Took; SEVERITIES],
    /// The noisiest first.
    pub noisiest: Vec<NoisyKey>,
    /// There were more keys than are added up at once: the sums of some may be too low.
    pub keys_were_forgotten: bool,
    /// How many incidents were looked at.
    pub looked_at: usize,
    /// There were more: what was recorded before this time was not looked at.
    pub cut_at: Option<i64>,
    /// There were more from before the span than were searched for what was closed without having been resolved: so many
    /// were, the newest.
    pub searched_before: Option<usize>,
}

/// The sum of a key.
#[derive(Clone, Copy, Debug)]
struct Noise {
    newest: Number,
    incidents: i64,
    occurrences: i64,
}

/// A noisy key, as it is known before it has its names.
#[derive(Debug, PartialEq, Eq)]
pub struct Loud {
    /// The store's number of its integration.
    pub integration: i64,
    /// The key.
    pub dedup_key: String,
    /// Its newest incident.
    pub newest: Number,
    /// How many incidents it made.
    pub incidents: i64,
    /// How often they were sent in all.
    pub occurrences: i64,
}

/// Counts incidents, the newest first.
#[derive(Debug)]
pub struct Tally {
    buckets: Buckets,
    created: Vec<[i64; SEVERITIES]>,
    ended: Vec<i64>,
    acknowledge: [Vec<u32>; SEVERITIES],
    resolve: [Vec<u32>; SEVERITIES],
    /// By integration and key.
    noise: HashMap<i64, HashMap<String, Noise>>,
    keys: usize,
    keys_were_forgotten: bool,
    open_before: i64,
}

impl Tally {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(buckets: Buckets) -> Self {
        Self {
            buckets,
            created: vec![[0; SEVERITIES]; buckets.count],
            ended: vec![0; buckets.count],
            acknowledge: Default::default(),
            resolve: Default::default(),
            noise: HashMap::new(),
            keys: 0,
            keys_were_forgotten: false,
            open_before: 0,
        }
    }

    /// Counts an incident that was recorded in the span. One from before it, which the clock has put among them, counts
    /// if it was closed without having been resolved: nothing else leads to it.
    pub fn add(&mut self, incident: &Recorded<'_>) {
        let Some(bucket) = self.buckets.of(incident.created_at) else {
            if let Recorded { resolved_at: None, closed_at: Some(closed_at), .. } = *incident
                && incident.created_at < self.buckets.from_ms
                && closed_at >= self.buckets.from_ms
            {
                self.add_ended(self.buckets.of(closed_at).unwrap_or(self.buckets.count.saturating_sub(1)), 1);
            }
            return;
        };
        let severity = incident.severity as usize;
        self.created[bucket][severity] += 1;
        if let Some(ended_at) = incident.resolved_at.or(incident.closed_at) {
            // What ended in the future, or before it began, did so by a clock that went back.
            let bucket = self
                .buckets
                .of(ended_at.max(incident.created_at))
                .unwrap_or(self.buckets.count.saturating_sub(1));
            self.ended[bucket] += 1;
        }
        let took = |until: i64| {
            let seconds = (until - incident.created_at).max(0) / 1000;
            u32::try_from(seconds).unwrap_or(u32::MAX)
        };
        self.acknowledge[severity].extend(incident.acknowledged_at.map(took));
        self.resolve[severity].extend(incident.resolved_at.map(took));
        if let Some(key) = incident.dedup_key {
            self.add_noise(key, incident);
        }
    }

    fn add_noise(&mut self, key: &str, incident: &Recorded<'_>) {
        let keys = self.noise.entry(incident.integration).or_default();
        if let Some(noise) = keys.get_mut(key) {
            noise.incidents += 1;
            noise.occurrences += incident.occurrences;
            return;
        }
        let Recorded { number: newest, occurrences, .. } = *incident;
        keys.insert(key.to_owned(), Noise { newest, incidents: 1, occurrences });
        self.keys += 1;
        if self.keys > MOST_KEYS {
            self.forget_the_quiet();
        }
    }

    fn forget_the_quiet(&mut self) {
        let mut sums: Vec<_> =
            self.noise.values().flat_map(HashMap::values).map(|noise| noise.occurrences).collect();
        let middle = sums.len() / 2;
        let (_, median, _) = sums.select_nth_unstable(middle);
        let median = *median;
        for keys in self.noise.values_mut() {
            keys.retain(|_, noise| noise.occurrences > median);
        }
        self.keys = self.noise.values().map(HashMap::len).sum();
        self.keys_were_forgotten = true;
    }

    /// Counts incidents that were recorded before the span, were open when it began, and ended in this bucket of it.
    pub fn add_ended(&mut self, bucket: usize, incidents: i64) {
        if let Some(ended) = self.ended.get_mut(bucket) {
            *ended += incidents;
            self.open_before += incidents;
        }
    }

    /// Counts incidents that were recorded before the span and are open still.
    pub fn add_open(&mut self, incidents: i64) {
        self.open_before += incidents;
    }

    /// The noisiest keys, the noisiest first.
    #[must_use]
    pub fn loudest(&self) -> Vec<Loud> {
        let all = self.noise.iter().flat_map(|(integration, keys)| {
            keys.iter().map(move |(key, noise)| (noise.occurrences, noise.newest, *integration, key, noise))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|(occurrences, newest, ..)| std::cmp::Reverse((*occurrences, *newest)));
        all.truncate(NOISIEST);
        let loud = |(occurrences, newest, integration, key, noise): (_, _, _, &String, &Noise)| Loud {
            integration,
            dedup_key: key.clone(),
            newest,
            incidents: noise.incidents,
            occurrences,
        };
        all.into_iter().map(loud).collect()
    }

    /// All that was counted.
    #[must_use]
    pub fn finish(self, noisiest: Vec<NoisyKey>, looked_at: usize, cut_at: Option<i64>) -> Overview {
        let mut now_open = self.open_before;
        let open = self.created.iter().zip(&self.ended).map(|(created, ended)| {
            now_open += created.iter().sum::<i64>() - ended;
            now_open
        });
        Overview {
            buckets: self.buckets,
            open: open.collect(),
            created: self.created,
            acknowledge: self.acknowledge.map(Took::of),
            resolve: self.resolve.map(Took::of),
            noisiest,
            keys_were_forgotten: self.keys_were_forgotten,
            looked_at,
            cut_at,
            searched_before: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn recorded(created_at: i64) -> Recorded<'static> {
        Recorded {
            number: Number { year: 2026, sequence: 1 },
            severity: Severity::Sev2,
            created_at,
            acknowledged_at: None,
            resolved_at: None,
            closed_at: None,
            occurrences: 1,
            integration: 1,
            dedup_key: None,
        }
    }

    #[test]
    fn buckets_begin_with_the_day_and_hold_what_is_in_it() {
        let buckets = Buckets::up_to(10 * DAY + 5, DAY, 3);
        assert_eq!((buckets.from_ms, buckets.end_ms()), (8 * DAY, 11 * DAY));
        let of =
            [8 * DAY - 1, 8 * DAY, 9 * DAY - 1, 9 * DAY, 11 * DAY - 1, 11 * DAY].map(|at| buckets.of(at));
        assert_eq!(of, [None, Some(0), Some(0), Some(1), Some(2), None]);
    }

    #[test]
    fn percentiles_are_the_nearest_ranks() {
        assert_eq!(Took::of(Vec::new()), Took::default());
        assert_eq!(Took::of(vec![7]), Took { count: 1, median_s: 7, p90_s: 7 });
        assert_eq!(Took::of((1..=10).rev().collect()), Took { count: 10, median_s: 5, p90_s: 9 });
        assert_eq!(Took::of((1..=11).collect()), Took { count: 11, median_s: 6, p90_s: 10 });
    }

    #[test]
    fn what_was_open_before_is_open_until_it_ends() {
        let mut tally = Tally::new(Buckets::up_to(3 * DAY, DAY, 3));
        tally.add_open(1);
        tally.add_ended(1, 2);
        tally.add(&recorded(DAY));
        tally.add(&Recorded { resolved_at: Some(2 * DAY), ..recorded(DAY) });
        tally.add(&Recorded { closed_at: Some(9 * DAY), ..recorded(3 * DAY) });
        // The clock went back before this was resolved.
        tally.add(&Recorded { resolved_at: Some(DAY), ..recorded(2 * DAY) });
        let overview = tally.finish(Vec::new(), 4, None);
        assert_eq!(overview.open, [5, 2, 2]);
        assert_eq!(overview.resolve[2], Took { count: 2, median_s: 0, p90_s: 86_400 });
    }

    #[test]
    fn the_loud_are_kept_however_many_whisper() {
        let mut tally = Tally::new(Buckets::up_to(0, DAY, 1));
        for index in 0..3 * MOST_KEYS {
            let key = format!("once-{index}");
            tally.add(&Recorded { dedup_key: Some(&key), ..recorded(0) });
            if index % 1000 == 0 {
                tally.add(&Recorded { dedup_key: Some("bell"), occurrences: 9, ..recorded(0) });
            }
            assert!(tally.keys <= MOST_KEYS);
        }
        assert!(tally.keys_were_forgotten);
        let loudest = &tally.loudest()[0];
        assert_eq!((loudest.dedup_key.as_str(), loudest.occurrences, loudest.incidents), ("bell", 540, 60));
    }
}
