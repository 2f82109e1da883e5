package credentials

import (
	"io"
	"math/bits"
	"strconv"
)

// SVG writes what [QR.AppendSVG] appends.
func (q *QR) SVG(w io.Writer) error {
	_, err := w.Write(q.AppendSVG(nil))
	return err
}

// AppendSVG appends the code as a stand-alone SVG document: a white square with
// the quiet zone and one black path. One unit is one module; the document has no
// size of its own and fills what it is put in. It contains no text, script or
// reference. It allocates nothing if dst has room.
func (q *QR) AppendSVG(dst []byte) []byte {
	side := int64(q.size + 2*QuietZone)
	dst = append(dst, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 `...)
	dst = strconv.AppendInt(dst, side, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, side, 10)
	// Without crispEdges, anti-aliasing draws light seams between dark modules.
	dst = append(dst, `" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h`...)
	dst = strconv.AppendInt(dst, side, 10)
	dst = append(dst, 'v')
	dst = strconv.AppendInt(dst, side, 10)
	dst = append(dst, `H0z"/><path d="`...)
	for y := range q.rows {
		for x := 0; ; {
			start := q.next(y, x, true)
			if start == q.size {
				break
			}
			x = q.next(y, start, false)
			dst = append(dst, 'M')
			dst = strconv.AppendInt(dst, int64(start+QuietZone), 10)
			dst = append(dst, ' ')
			dst = strconv.AppendInt(dst, int64(y+QuietZone), 10)
			dst = append(dst, 'h')
			dst = strconv.AppendInt(dst, int64(x-start), 10)
			dst = append(dst, "v1h-"...)
			dst = strconv.AppendInt(dst, int64(x-start), 10)
			dst = append(dst, 'z')
		}
	}
	return append(dst, `"/></svg>`...)
}

// next returns the first column from x on in row y that is dark, or light, and
// q.size if there is none.
func (q *QR) next(y, x int, dark bool) int {
	for x < q.size {
		word := q.rows[y][x/64]
		if !dark {
			word = ^word
		}
		if word >>= x % 64; word != 0 {
			return min(x+bits.TrailingZeros64(word), q.size)
		}
		x = (x/64 + 1) * 64
	}
	return q.size
}
