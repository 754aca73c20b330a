//! The messages and methods of the v3 API, as their `.proto` text describes them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// One field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: String,
    /// The name in camel case, which JSON may use too.
    pub(super) json_name: String,
    pub(super) kind: Type,
    /// The message or enum it holds; empty for others.
    pub(super) type_name: String,
    pub(super) repeated: bool,
    /// The `oneof` it belongs to, with its message.
    pub(super) choice: Option<String>,
}

/// One message; its fields in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) fields: Vec<Field>,
}

impl Shape {
    pub(super) fn by_name(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| field.name == name || field.json_name == name)
    }
}

/// One method.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) input: String,
    pub(super) output: String,
    pub(super) streams_in: bool,
    pub(super) streams_out: bool,
}

/// The whole API. Names of types begin with a dot, as descriptors have them.
#[derive(Debug, Default)]
pub(super) struct Schema {
    messages: HashMap<String, Shape>,
    /// Names by numbers.
    enums: HashMap<String, BTreeMap<i32, String>>,
    /// By gRPC path, such as `/etcdserverpb.KV/Range`.
    methods: HashMap<String, Method>,
}

impl Schema {
    /// The API of this server.
    pub(super) fn get() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| {
            let bytes: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rpc.descriptors"));
            // The bytes were made by the build from text that compiled; a test reads them.
            Self::read(&FileDescriptorSet::decode(bytes).unwrap_or_default())
        })
    }

    pub(super) fn message(&self, name: &str) -> Option<&Shape> {
        self.messages.get(name)
    }

    pub(super) fn enum_name(&self, type_name: &str, number: i32) -> Option<&str> {
        self.enums.get(type_name)?.get(&number).map(String::as_str)
    }

    pub(super) fn enum_number(&self, type_name: &str, name: &str) -> Option<i32> {
        self.enums
            .get(type_name)?
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(number, _)| *number)
    }

    pub(super) fn method(&self, path: &str) -> Option<&Method> {
        self.methods.get(path)
    }

    fn read(files: &FileDescriptorSet) -> Self {
        let mut schema = Self::default();
        for file in &files.file {
            let package = format!(".{}", file.package());
            for message in &file.message_type {
                schema.add_message(&package, message);
            }
            for descriptor in &file.enum_type {
                schema.add_enum(&package, descriptor);
            }
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    schema.methods.insert(
                        path,
                        Method {
                            input: method.input_type().to_owned(),
                            output: method.output_type().to_owned(),
                            streams_in: method.client_streaming(),
                            streams_out: method.server_streaming(),
                        },
                    );
                }
            }
        }
        schema
    }

    fn add_message(&mut self, scope: &str, message: &DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        for nested in &message.nested_type {
            self.add_message(&name, nested);
        }
        for nested in &message.enum_type {
            self.add_enum(&name, nested);
        }
        let fields = message.field.iter().map(|field| Field {
            number: u32::try_from(field.number()).unwrap_or_default(),
            name: field.name().to_owned(),
            json_name: field.json_name().to_owned(),
            kind: field.r#type(),
            type_name: field.type_name().to_owned(),
            repeated: field.label() == Label::Repeated,
            choice: field.oneof_index.and_then(|at| {
                let choice = message.oneof_decl.get(usize::try_from(at).ok()?)?;
                Some(format!("{}.{}", &name[1..], choice.name()))
            }),
        });
        let fields = fields.collect();
        self.messages.insert(name, Shape { fields });
    }

    fn add_enum(&mut self, scope: &str, descriptor: &EnumDescriptorProto) {
        let names = descriptor
            .value
            .iter()
            .map(|value| (value.number(), value.name().to_owned()))
            .collect();
        self.enums
            .insert(format!("{scope}.{}", descriptor.name()), names);
    }
}
