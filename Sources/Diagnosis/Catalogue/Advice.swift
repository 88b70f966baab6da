// A sentence of the catalogue that may be for one product or one source of tokens only.

/// A hint, or a place to look at next.
package struct Advice: Sendable, Hashable, ExpressibleByStringLiteral {
    package var text: String
    /// The product it is for; nil for all.
    package var engine: Engine?
    /// The source of tokens it is for; nil for all.
    package var source: TokenSourceKind?

    package init(stringLiteral value: String) { text = value }

    private init(_ text: String, _ engine: Engine?, _ source: TokenSourceKind?) {
        self.text = text
        self.engine = engine
        self.source = source
    }

    static func only(_ text: String, for engine: Engine? = nil, from source: TokenSourceKind? = nil) -> Self { Self(text, engine, source) }

    /// Whether it fits a failure of this product and this source; an unknown side fits everything.
    func applies(to engine: Engine?, source: TokenSourceKind?) -> Bool {
        (self.engine == nil || engine == nil || self.engine == engine) && (self.source == nil || source == nil || self.source == source)
    }

    /// Whether it was written for exactly what is known.
    func isMeant(for engine: Engine?, source: TokenSourceKind?) -> Bool {
        (self.engine == nil || self.engine == engine) && (self.source == nil || self.source == source)
    }
}
