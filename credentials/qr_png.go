package credentials

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// MaxPNGScale is the largest scale of a PNG in pixels per module: the largest
// code is then 5920 pixels wide.
const MaxPNGScale = 32

// maxPNGRow is the longest scanline in bytes, filter byte included.
const maxPNGRow = 1 + ((maxModules+2*QuietZone)*MaxPNGScale+7)/8

// PNGSize returns the width and height in pixels of the PNG at scale, quiet zone
// included.
func (q *QR) PNGSize(scale int) int {
	return (q.size + 2*QuietZone) * min(max(scale, 1), MaxPNGScale)
}

// PNG writes what [QR.AppendPNG] appends.
func (q *QR) PNG(w io.Writer, scale int) error {
	_, err := w.Write(q.AppendPNG(nil, scale))
	return err
}

// AppendPNG appends the code as a PNG of 1-bit grey, scale pixels per module,
// quiet zone included. A scale outside 1 to [MaxPNGScale] is taken as the nearest
// of them; screens want at least 3 or 4. It allocates nothing if dst has room.
//
// It writes the file itself: all scanlines of one row of modules are the same,
// so each row is compressed once, as literals and one repetition, which is some
// hundred times as fast as scaling an image and handing it to image/png.
func (q *QR) AppendPNG(dst []byte, scale int) []byte {
	scale = min(max(scale, 1), MaxPNGScale)
	side := uint32(q.PNGSize(scale))

	dst = append(dst, "\x89PNG\r\n\x1a\n"...)
	dst, start := beginChunk(dst, "IHDR")
	dst = binary.BigEndian.AppendUint32(dst, side)
	dst = binary.BigEndian.AppendUint32(dst, side)
	dst = append(dst, 1, 0, 0, 0, 0) // depth 1, grey, deflate, adaptive filters, no interlace
	dst = endChunk(dst, start)

	dst, start = beginChunk(dst, "IDAT")
	dst = q.appendZlib(dst, scale)
	dst = endChunk(dst, start)

	dst, start = beginChunk(dst, "IEND")
	return endChunk(dst, start)
}

// beginChunk appends the head of a PNG chunk and returns where it starts.
func beginChunk(dst []byte, kind string) ([]byte, int) {
	start := len(dst)
	return append(append(dst, 0, 0, 0, 0), kind...), start
}

// endChunk fills in the length of the chunk and appends its CRC, which covers
// kind and data.
func endChunk(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-8))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start+4:]))
}

// appendZlib appends the scanlines as a zlib stream of one dynamic block.
func (q *QR) appendZlib(dst []byte, scale int) []byte {
	var d deflater
	var buf [maxPNGRow]byte
	row := buf[:1+(q.PNGSize(scale)+7)/8]

	// Once to count the symbols, once to write them: drawing a row again is
	// cheaper than keeping all of them.
	q.scanlines(&d, row, scale)
	d.plan(len(row))
	dst = append(dst, 0x78, 0x01) // RFC 1950: deflate, 32 KiB window, fastest
	d.begin(dst)
	q.scanlines(&d, row, scale)
	return binary.BigEndian.AppendUint32(d.end(), d.adler())
}

// scanlines gives every group of identical scanlines to d, from the top. row
// starts with its filter byte, which stays 0 (none).
func (q *QR) scanlines(d *deflater, row []byte, scale int) {
	q.scanline(row[1:], -1, scale)
	d.group(row, QuietZone*scale)
	for y := range q.rows {
		q.scanline(row[1:], y, scale)
		d.group(row, scale)
	}
	q.scanline(row[1:], -1, scale)
	d.group(row, QuietZone*scale)
}

// scanline draws one row of modules, row -1 being light throughout: 1 is light,
// spare bits at the end as well.
func (q *QR) scanline(dst []byte, y, scale int) {
	var dark [4]uint64 // the row with the quiet zone in front
	if y >= 0 {
		for i, word := range q.rows[y] {
			dark[i] |= word << QuietZone
			dark[i+1] = word >> (64 - QuietZone)
		}
	}
	if scale == 8 {
		// The usual scale, where a module is a byte: nothing to shift together.
		for x := range dst {
			dst[x] = byte(dark[x/64]>>(x%64)&1) - 1
		}
		return
	}
	acc, have, n := uint64(0), 0, 0
	for x := range q.size + 2*QuietZone {
		light := dark[x/64]>>(x%64)&1 ^ 1
		acc = acc<<scale | (light<<scale - light) // scale bits of it
		for have += scale; have >= 8; n++ {
			have -= 8
			dst[n] = byte(acc >> have)
		}
	}
	if have > 0 {
		dst[n] = byte(acc<<(8-have)) | 0xff>>have
	}
}
