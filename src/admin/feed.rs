//! `/api/v1/feed`: what comes in and what becomes of it, told as it happens.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::Admin;
use super::api::Told;
use super::body::Pieces;
use super::question::FeedQuery;
use super::rows::{EventRow, StateRow};
use super::table::Ask;
use super::watch::{Messages, Seen, Watch, message};
use crate::store::{FeedPlace, FeedTold, StoreError, Wanted};

struct Feed {
    watch: Watch,
    wanted: Wanted,
    queue: VecDeque<(FeedPlace, FeedTold)>,
    /// To be told when the queue is: all up to here was.
    upto: Option<FeedPlace>,
}

pub(super) async fn feed(ask: Ask<'_>, asked: FeedQuery) -> Told<Messages> {
    let FeedQuery { wanted, after } = asked;
    let watch = Watch::begin(&ask, after).await?;
    let feed = Feed {
        watch,
        wanted,
        queue: VecDeque::new(),
        upto: None,
    };
    Ok(Messages(Pieces::unfold(feed, next)))
}

async fn next(mut feed: Feed) -> Option<(Bytes, Feed)> {
    loop {
        if feed.watch.is_over() {
            feed.queue.clear();
        }
        while let Some((place, told)) = feed.queue.pop_front() {
            // The last one stands for those that were not wanted as well.
            let place = match feed.queue.is_empty() {
                true => feed.upto.take().unwrap_or(place),
                false => place,
            };
            if let Some(piece) = tell(&feed.watch.admin, place, told).await {
                return Some((piece, feed));
            }
        }
        match feed.watch.next().await? {
            Seen::Told(piece) => return Some((piece, feed)),
            Seen::News(taken) => {
                let (store, wanted) = (&feed.watch.admin.store, feed.wanted.clone());
                match store.told(taken.changes, wanted).await {
                    Ok(told) => {
                        feed.queue = told.into();
                        feed.upto = Some(taken.upto);
                    }
                    Err(error) => return Some((failed(&error), feed)),
                }
                if taken.missed > 0 {
                    let body = json!({ "missed": taken.missed }).to_string();
                    return Some((message("lagged", None, &body), feed));
                }
            }
        }
    }
}

/// None when it is gone by now.
async fn tell(admin: &Admin, place: FeedPlace, told: FeedTold) -> Option<Bytes> {
    let (event, body) = match told {
        FeedTold::Event(id) => match admin.store.event(id).await {
            Ok(kept) => {
                let joined = admin.store.joined(id).await.unwrap_or_default();
                ("event", written(&EventRow::of(&kept, &joined)))
            }
            Err(StoreError::Unknown { .. }) => return None,
            Err(error) => {
                let damaged = json!({ "id": id, "damaged": error.to_string() });
                ("event", damaged.to_string())
            }
        },
        FeedTold::Delivery(delivery) => ("delivery", written(&delivery)),
        FeedTold::Target(target, state) => ("target", written(&StateRow::of(&target, &state))),
    };
    Some(message(event, Some(place), &body))
}

fn written(row: &impl Serialize) -> String {
    serde_json::to_string(row).expect("what is told has text keys and no failing Serialize")
}

fn failed(error: &StoreError) -> Bytes {
    let body = json!({ "reason": error.to_string() });
    message("lagged", None, &body.to_string())
}
