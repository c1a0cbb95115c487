//! Generates the tonic arm's client and server as tonic's documentation has them, without protoc.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let echo = Method::builder()
        .name("echo")
        .route_name("Echo")
        .input_type("crate::arms::tonic::Payload")
        .output_type("crate::arms::tonic::Payload")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let flow = Method::builder()
        .name("flow")
        .route_name("Flow")
        .input_type("crate::arms::tonic::Wish")
        .output_type("crate::arms::tonic::Payload")
        .codec_path("tonic_prost::ProstCodec")
        .server_streaming()
        .build();
    Builder::new().compile(&[Service::builder().name("Echo").package("bench").method(echo).method(flow).build()]);
}
