//! The words that schemas are written in: each kind of value with what it means.

use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat,
    SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr, Schema};

/// A schema, or the name of one.
pub(super) type Part = RefOr<Schema>;

/// A member of an object.
pub(super) struct Member {
    name: &'static str,
    schema: Part,
    is_required: bool,
}

/// A member that is always there.
pub(super) fn always(name: &'static str, schema: impl Into<Part>) -> Member {
    Member { name, schema: schema.into(), is_required: true }
}

/// A member that may be missing.
pub(super) fn sometimes(name: &'static str, schema: impl Into<Part>) -> Member {
    Member { name, schema: schema.into(), is_required: false }
}

/// An object with these members. Later versions may have more.
pub(super) fn object<const N: usize>(about: &str, members: [Member; N]) -> ObjectBuilder {
    members.into_iter().fold(of_type(Type::Object, about), with)
}

/// An object with these members and no others.
pub(super) fn only<const N: usize>(members: [Member; N]) -> ObjectBuilder {
    object("", members).additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
}

/// The object with a further member.
pub(super) fn with(object: ObjectBuilder, member: Member) -> ObjectBuilder {
    let Member { name, schema, is_required } = member;
    let object = object.property(name, schema);
    if is_required { object.required(name) } else { object }
}

/// An array.
pub(super) fn list(about: &str, items: impl Into<Part>) -> ArrayBuilder {
    ArrayBuilder::new().items(items.into()).description(Some(about))
}

/// Any text.
pub(super) fn text(about: &str) -> ObjectBuilder {
    of_type(Type::String, about)
}

/// A text in a format that has a name.
pub(super) fn formatted(about: &str, format: &str) -> ObjectBuilder {
    text(about).format(Some(SchemaFormat::Custom(format.to_owned())))
}

/// One of a few texts.
pub(super) fn one_of<T: Into<String>>(
    about: &str,
    texts: impl IntoIterator<Item = T>,
) -> ObjectBuilder {
    text(about).enum_values(Some(texts.into_iter().map(Into::into)))
}

/// A whole number that isn't negative.
pub(super) fn count(about: &str) -> ObjectBuilder {
    of_type(Type::Integer, about).minimum(Some(0))
}

/// A number.
pub(super) fn number(about: &str) -> ObjectBuilder {
    of_type(Type::Number, about)
}

/// `true` or `false`.
pub(super) fn flag(about: &str) -> ObjectBuilder {
    of_type(Type::Boolean, about)
}

/// A point in time as windrow writes it: RFC 3339, in UTC.
pub(super) fn time(about: &str) -> ObjectBuilder {
    text(about).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// A position in the log, as a text that says nothing else.
pub(super) fn position(about: &str) -> ObjectBuilder {
    text(about).pattern(Some("^[0-9]{1,20}$"))
}

/// A schema, or null.
pub(super) fn or_null(schema: impl Into<Part>) -> AnyOfBuilder {
    AnyOfBuilder::new().item(schema).item(ObjectBuilder::new().schema_type(Type::Null))
}

/// The schema of that name among the components.
pub(super) fn named(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

/// Anything.
pub(super) fn anything(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(about))
}

fn of_type(kind: Type, about: &str) -> ObjectBuilder {
    let about = Some(about).filter(|about| !about.is_empty());
    ObjectBuilder::new().schema_type(kind).description(about)
}
