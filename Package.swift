// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "agent",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "agent", targets: ["agent"]),
        .executable(name: "agent-lab", targets: ["agent-lab"]),
        .executable(name: "agent-bench", targets: ["agent-bench"]),
        // The client of SQL Server by itself, for other programs.
        .library(name: "TDS", targets: ["TDS"]),
        // Loaded before libc by tests that turn the wall clock and fill the disk of a program.
        .library(name: "agent-preload", type: .dynamic, targets: ["Preload"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0", traits: []),
        // Traits off: neither swift-configuration nor the whole of Foundation is wanted in a small resident program.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        // One C library each: module map and typed shims, no logic.
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CMariaDB", pkgConfig: "libmariadb", providers: [.apt(["libmariadb-dev"])]),
        .systemLibrary(name: "CCares", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

        // The words everyone shares.
        .target(name: "Diagnosis", dependencies: [.log]),

        // Waiting, and the clients of the outside world.
        .target(name: "Readiness", dependencies: ["Diagnosis", "CLinux", "CCares"]),
        .target(name: "Certificates", dependencies: ["Diagnosis", "Readiness", "COpenSSL"]),
        .target(name: "Curl", dependencies: ["Diagnosis", "CCurl"]),
        .target(name: "Postgres", dependencies: ["Diagnosis", "Readiness", "Certificates", "CLibPQ", .log]),
        .target(name: "MariaDB", dependencies: ["Diagnosis", "Readiness", "Certificates", "CLinux", "CMariaDB"]),

        // Nothing of ours: the library stands alone.
        .target(name: "TDS", dependencies: [.nio, .nioPosix, .nioSSL, .nioTLS]),

        // What the product does.
        .target(name: "Identity", dependencies: ["Diagnosis", "Curl", .log]),
        .target(name: "Probes", dependencies: ["Diagnosis", "Identity", "Readiness", "Certificates", "Postgres", "MariaDB", "TDS", .log]),
        .target(name: "Schedule", dependencies: ["Diagnosis", .log, .lifecycle]),
        .target(name: "Store", dependencies: ["Diagnosis", .log, .product(name: "GRDB", package: "GRDB.swift")]),
        .target(name: "Telemetry", dependencies: ["Diagnosis", .log]),
        .target(
            name: "StatusServer",
            dependencies: [
                "Diagnosis", "Telemetry", "CZlib", .log, .lifecycle, .nio, .nioPosix, .nioHTTP1, .hummingbird, .hummingbirdCore,
            ]),
        .target(name: "Settings", dependencies: ["Diagnosis", "Yams"]),
        .target(
            name: "Commands",
            dependencies: [
                "Diagnosis", "Readiness", "Certificates", "Curl", "Postgres", "MariaDB", "Identity", "Probes", "Schedule", "Store",
                "Telemetry", "StatusServer", "Settings", .log, .lifecycle, .signals, .argumentParser,
            ]),
        .executableTarget(name: "agent", dependencies: ["Commands"]),

        // The small Azure, and the figures. Neither is part of the image.
        .target(
            name: "Lab",
            dependencies: [
                "Diagnosis", "TDS", .log, .nio, .nioPosix, .nioSSL, .nioTLS, .crypto, .cryptoExtras, .subprocess,
            ]),
        .executableTarget(name: "agent-lab", dependencies: ["Lab", "Diagnosis", .argumentParser, .log]),
        .executableTarget(
            name: "agent-bench",
            dependencies: [
                "Lab", "Diagnosis", "Readiness", "Certificates", "Curl", "Postgres", "Identity", "Probes", "Schedule", "Store",
                "Telemetry", .argumentParser, .subprocess, .log,
            ], resources: [.embedInCode("Peers/azuresql.py")]),
        // In C, so that nothing of ours is in what the MySQL figures are compared with.
        .executableTarget(name: "agent-bench-mysql", dependencies: ["CMariaDB"], linkerSettings: [.linkedLibrary("resolv")]),

        // Tests: fakes come from Lab, what only tests need from TestSupport.
        .target(
            name: "TestSupport", dependencies: ["Diagnosis", "Lab", .log, .nio, .nioPosix, .nioSSL, .subprocess],
            path: "Tests/TestSupport"),
        .target(name: "Preload", path: "Tests/Preload"),
        .testTarget(name: "DiagnosisTests", dependencies: ["Diagnosis", "TestSupport"]),
        .testTarget(name: "ReadinessTests", dependencies: ["Readiness", "TestSupport"]),
        .testTarget(name: "IdentityTests", dependencies: ["Identity", "Curl", "Diagnosis", "TestSupport", .log]),
        .testTarget(
            name: "ProbeTests",
            dependencies: ["Probes", "Postgres", "Certificates", "Diagnosis", "Identity", "Readiness", "TDS", "Lab", "TestSupport", .log]),
        .testTarget(
            name: "MariaDBTests",
            dependencies: [
                "Probes", "MariaDB", "Certificates", "Diagnosis", "Readiness", "TestSupport", .log, .nio, .nioPosix, .nioSSL, .subprocess,
            ]),
        .testTarget(
            name: "TDSTests", dependencies: ["TDS", "Lab", "Diagnosis", .nio, .nioPosix, .nioEmbedded, .subprocess],
            exclude: ["Vectors", "fuzz", "Drivers"]),
        .testTarget(name: "ScheduleTests", dependencies: ["Schedule", "Diagnosis", "TestSupport", .log, .lifecycle]),
        // A process that writes history until it is killed; only tests start it.
        .executableTarget(name: "agent-store-writer", dependencies: ["Store", "Diagnosis", .log], path: "Tests/StoreWriter"),
        .testTarget(
            name: "StoreTests",
            dependencies: [
                "Store", "Diagnosis", "TestSupport", "agent-store-writer", .log, .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .testTarget(name: "SettingsTests", dependencies: ["Settings", "Diagnosis", "TestSupport"]),
        .testTarget(
            name: "StatusServerTests",
            dependencies: ["StatusServer", "Telemetry", "Diagnosis", "TestSupport", .log, .lifecycle, .nio]),
        .testTarget(name: "LabTests", dependencies: ["Lab", "agent-lab", "Diagnosis", "TestSupport", .nio, .nioPosix, .subprocess, .log]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "Commands", "Curl", "Diagnosis", "Lab", "Settings", "Store", "Telemetry", "TestSupport", "agent", "agent-lab",
                "agent-bench",
                .log,
            ]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system && target.name != "agent-bench-mysql" {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .strictMemorySafety(),
        .treatAllWarnings(as: .error),
    ]
}

extension Target.Dependency {
    static var log: Self { .product(name: "Logging", package: "swift-log") }
    static var lifecycle: Self { .product(name: "ServiceLifecycle", package: "swift-service-lifecycle") }
    static var signals: Self { .product(name: "UnixSignals", package: "swift-service-lifecycle") }
    static var argumentParser: Self { .product(name: "ArgumentParser", package: "swift-argument-parser") }
    static var nio: Self { .product(name: "NIOCore", package: "swift-nio") }
    static var nioPosix: Self { .product(name: "NIOPosix", package: "swift-nio") }
    static var nioEmbedded: Self { .product(name: "NIOEmbedded", package: "swift-nio") }
    static var nioTLS: Self { .product(name: "NIOTLS", package: "swift-nio") }
    static var nioHTTP1: Self { .product(name: "NIOHTTP1", package: "swift-nio") }
    static var nioSSL: Self { .product(name: "NIOSSL", package: "swift-nio-ssl") }
    static var hummingbird: Self { .product(name: "Hummingbird", package: "hummingbird") }
    static var hummingbirdCore: Self { .product(name: "HummingbirdCore", package: "hummingbird") }
    static var crypto: Self { .product(name: "Crypto", package: "swift-crypto") }
    static var cryptoExtras: Self { .product(name: "CryptoExtras", package: "swift-crypto") }
    static var subprocess: Self { .product(name: "Subprocess", package: "swift-subprocess") }
}
