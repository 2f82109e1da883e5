package credentials

import (
	"fmt"
	"io"

	"github.com/boombuler/barcode/qr"
)

// QuietZone is the light border around a QR code in modules, without which
// scanners fail (ISO/IEC 18004 §6.3.8).
const QuietZone = 4

// maxModules is the side of the largest QR code, version 40 (ISO/IEC 18004 §7.1).
const maxModules = 177

// QRLevel is how much of a QR code may be damaged and still be read.
type QRLevel int

// The levels of ISO/IEC 18004 §7.5.1. The zero value is M.
const (
	QRMedium   QRLevel = iota // M, 15 %: the default, for screens and print
	QRLow                     // L, 7 %: for long payloads such as provisioning JSON
	QRQuartile                // Q, 25 %
	QRHigh                    // H, 30 %: only for a logo on top
)

// qrLevel is a level in terms of the encoder, and the bytes that version 40
// holds at it (ISO/IEC 18004 table 7).
type qrLevel struct {
	level qr.ErrorCorrectionLevel
	max   int
}

func (l QRLevel) params() (qrLevel, bool) {
	switch l {
	case QRMedium:
		return qrLevel{qr.M, 2331}, true
	case QRLow:
		return qrLevel{qr.L, 2953}, true
	case QRQuartile:
		return qrLevel{qr.Q, 1663}, true
	case QRHigh:
		return qrLevel{qr.H, 1273}, true
	}
	return qrLevel{}, false
}

// QRError says that a payload cannot be a QR code. It has the length of the
// payload and never its content. It unwraps to [ErrTooLong] or [ErrMalformed].
type QRError struct {
	Length int // of the payload, in bytes
	Max    int // what the level holds, in bytes; 0 for an unknown level
	err    error
}

// Error names length and maximum.
func (e *QRError) Error() string {
	return fmt.Sprintf("credentials: qr: payload of %d bytes, want 1 to %d", e.Length, e.Max)
}

// Unwrap returns [ErrTooLong] or [ErrMalformed].
func (e *QRError) Unwrap() error { return e.err }

// QR is the module matrix of a QR code. It contains the payload in clear, like
// any QR code: treat what it renders as the secret itself. It is immutable and
// safe for concurrent use. Make one with [EncodeQR]; the zero value has no
// modules.
type QR struct {
	size int
	rows [][3]uint64 // bit x of a row is set for a dark module
}

// EncodeQR returns the QR code of a payload at level M: 1 to 2331 bytes, or a
// [*QRError].
func EncodeQR(payload Secret) (*QR, error) { return EncodeQRLevel(payload, QRMedium) }

// EncodeQRLevel is [EncodeQR] at another level.
func EncodeQRLevel(payload Secret, level QRLevel) (*QR, error) {
	n := len(payload.bytes())
	params, ok := level.params()
	switch {
	case !ok || n == 0:
		return nil, &QRError{n, params.max, ErrMalformed}
	case n > params.max:
		return nil, &QRError{n, params.max, ErrTooLong}
	}
	code, err := qr.Encode(payload.Reveal(), params.level, qr.Auto)
	if err != nil {
		// The encoder's error quotes the payload: it is replaced, not wrapped.
		return nil, &QRError{n, params.max, ErrTooLong}
	}
	q := &QR{size: code.Bounds().Dx()}
	q.rows = make([][3]uint64, q.size)
	for y := range q.size {
		for x := range q.size {
			// The encoder draws black on white.
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				q.rows[y][x/64] |= 1 << (x % 64)
			}
		}
	}
	return q, nil
}

// Modules returns the number of modules along a side, without the quiet zone: 21
// to 177.
func (q *QR) Modules() int { return q.size }

// At reports whether the module in column x and row y is dark, both from the
// upper left. Outside, in the quiet zone, every module is light.
func (q *QR) At(x, y int) bool {
	if x < 0 || y < 0 || x >= q.size || y >= q.size {
		return false
	}
	return q.rows[y][x/64]>>(x%64)&1 == 1
}

// Terminal writes the code for a terminal: two modules in the height of one
// character, quiet zone included. It sets black on white itself, since many
// scanners refuse the negative that a dark terminal would show.
func (q *QR) Terminal(w io.Writer) error {
	const on, off = "\x1b[30;107m", "\x1b[0m\n" // SGR: black on bright white; reset
	var text []byte
	for y := -QuietZone; y < q.size+QuietZone; y += 2 {
		text = append(text, on...)
		for x := -QuietZone; x < q.size+QuietZone; x++ {
			switch upper, lower := q.At(x, y), q.At(x, y+1); {
			case upper && lower:
				text = append(text, "█"...)
			case upper:
				text = append(text, "▀"...)
			case lower:
				text = append(text, "▄"...)
			default:
				text = append(text, ' ')
			}
		}
		text = append(text, off...)
	}
	_, err := w.Write(text)
	return err
}
