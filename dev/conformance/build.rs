//! Generates the service that `tests/mounted` mounts, as tonic's documentation has it, without protoc.

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    let method = |name: &str, route: &str| -> MethodBuilder {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type("crate::greeter::Note")
            .output_type("crate::greeter::Note")
            .codec_path("tonic_prost::ProstCodec")
    };
    let service = Service::builder()
        .name("Greeter")
        .package("greet.v1")
        .method(method("hello", "Hello").build())
        .method(method("count", "Count").server_streaming().build())
        .method(method("sum", "Sum").client_streaming().build())
        .method(method("chat", "Chat").client_streaming().server_streaming().build());
    Builder::new().compile(&[service.build()]);
}
