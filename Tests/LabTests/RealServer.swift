// The tests that start a real PostgreSQL run one after the other: side by side they would measure each other's patience.
import Testing

@Suite(.serialized) enum RealServer {}
