//! An event as validators and processors see it.

use uuid::Uuid;

use crate::time::Timestamp;

/// An event of the stream `events`, borrowed from its line.
///
/// What the line lacked is filled in: `id` and `time` are then functions of what the log has recorded
/// about the request, the same at every replay.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Its id: what the client sent, in whichever case, or a version 7 UUID.
    pub id: Uuid,
    /// `type`: `user_action`, `sensor_data` or `system_log`.
    pub kind: &'a str,
    /// `source`: `web`, `mobile`, `iot_device` or `system`.
    pub source: &'a str,
    /// `timestamp`: when it happened.
    pub time: Timestamp,
    /// `user_id`: at most 50 characters.
    pub user_id: Option<&'a str>,
    /// `data`: the text of a JSON object as it came, which is valid JSON.
    pub data: Option<&'a str>,
    /// When the request that brought it arrived.
    pub received_at: Timestamp,
}
