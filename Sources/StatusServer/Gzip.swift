// Compression of answers. The only file that knows zlib.
import CZlib
import NIOCore

/// Packs whole bodies: an answer is rendered as a whole, so there is nothing to stream.
enum Gzip {
    /// The fastest: of a page of metrics it takes off nine tenths already, at a quarter of the time of the usual level 6.
    private static let level: Int32 = 1
    private static let chunkSize = 32 << 10

    /// - Returns: nil when zlib has no memory; whoever asked is then served without compression.
    static func compress(_ plain: ByteBuffer) -> ByteBuffer? {
        guard let length = UInt32(exactly: plain.readableBytes) else { return nil }
        var stream = unsafe z_stream()
        guard unsafe czlib_begin_gzip(&stream, level) == Z_OK else { return nil }
        defer { unsafe _ = deflateEnd(&stream) }
        var packed = ByteBuffer()
        var code = Z_OK
        // The pointers are valid within this closure, and zlib keeps none of them after `deflateEnd`.
        unsafe plain.withUnsafeReadableBytes { source in
            unsafe stream.next_in = UnsafeMutablePointer(mutating: source.bindMemory(to: UInt8.self).baseAddress)
            unsafe stream.avail_in = length
            while code == Z_OK {
                unsafe packed.writeWithUnsafeMutableBytes(minimumWritableBytes: chunkSize) { target in
                    let room = UInt32(clamping: target.count)
                    unsafe stream.next_out = target.bindMemory(to: UInt8.self).baseAddress
                    unsafe stream.avail_out = room
                    unsafe code = deflate(&stream, Z_FINISH)
                    return unsafe Int(room - stream.avail_out)
                }
            }
        }
        return code == Z_STREAM_END ? packed : nil
    }
}
