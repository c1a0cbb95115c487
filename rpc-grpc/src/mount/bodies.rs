//! Bodies of HTTP as streams of bytes, and the reverse.

use super::{exchange::Exchange, status};
use crate::{failure, frames::Chunks, trailers};
use bytes::Bytes;
use futures_core::Stream;
use h2::RecvStream;
use http_body::{Body, Frame};
use rpc_core::{Payload, PayloadStream, Status};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A request's bytes, from HTTP/2 to the layers.
pub(super) struct Incoming(pub(super) RecvStream);

impl Stream for Incoming {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(data) = ready!(self.0.poll_data(cx)) else { return Poll::Ready(None) };
        // Whoever takes bytes makes room for more.
        let bytes = data.and_then(|bytes| self.0.flow_control().release_capacity(bytes.len()).map(|()| bytes));
        Poll::Ready(Some(bytes.map(Payload::Encoded).map_err(failure::receiving)))
    }
}

/// The same bytes, from the layers to tonic.
pub(super) struct Upload(pub(super) PayloadStream);

impl Body for Upload {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.0).poll_next(cx).map_ok(|payload| Frame::data(payload.into_bytes())).map_err(|status| {
            tonic::Status::new(tonic::Code::from_i32(status.code().number().into()), status.message())
        })
    }
}

/// An answer's bytes, from tonic to the layers. Its outcome is an error behind them if it is a bad one.
pub(super) struct Download {
    body: tonic::body::Body,
    over: bool,
    exchange: Arc<Exchange>,
}

impl Download {
    pub(super) fn new(body: tonic::body::Body, over: bool, exchange: Arc<Exchange>) -> Self {
        Self { body, over, exchange }
    }
}

impl Stream for Download {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.over {
                return Poll::Ready(None);
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(status(&error))));
                }
                None => {
                    self.over = true;
                    return Poll::Ready(Some(Err(Status::internal("the answer ended without `grpc-status`"))));
                }
            };
            let trailers = match frame.into_data() {
                Ok(bytes) => return Poll::Ready(Some(Ok(Payload::Encoded(bytes)))),
                Err(frame) => frame.into_trailers(),
            };
            // What is neither is of a kind that nobody has yet.
            let Ok(trailers) = trailers else { continue };
            self.over = true;
            let outcome = trailers::read(&trailers, None);
            self.exchange.ended(trailers);
            if let Some(Err(status)) = outcome {
                return Poll::Ready(Some(Err(status)));
            }
        }
    }
}

/// The same bytes, from the layers to HTTP/2.
pub(super) struct Raw(pub(super) PayloadStream);

impl Chunks for Raw {
    fn stream(&self) -> &PayloadStream {
        &self.0
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        Pin::new(&mut self.0).poll_next(cx).map(|next| Ok(next.transpose()?.map(Payload::into_bytes)))
    }
}
