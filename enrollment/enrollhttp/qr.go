package enrollhttp

import (
	"context"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

const (
	// qrPixels is the least width of an image: enough to be scanned from a screen
	// at arm's length.
	qrPixels = 512
	// leastModule is the least width of a module, in pixels: less is not read.
	leastModule = 3
	// phoneSide and newSide are the least widths on a page, of a code for a phone in
	// use and of one for a new device, which holds more.
	phoneSide, newSide = 256, 384
	// maxDrawing is how many QR codes are drawn at one time; each takes some
	// milliseconds of one core.
	maxDrawing = 4
)

func (h *handler) qrPNG(w http.ResponseWriter, r *http.Request) {
	h.qr(w, r, "image/png", drawPNG)
}

// drawPNG draws a code as large as it has to be.
func drawPNG(q *credentials.QR) []byte { return q.AppendPNG(nil, scaleOf(q)) }

func scaleOf(q *credentials.QR) int {
	scale := leastModule
	for scale < credentials.MaxPNGScale && q.PNGSize(scale) < qrPixels {
		scale++
	}
	return scale
}

func (h *handler) qrSVG(w http.ResponseWriter, r *http.Request) {
	h.qr(w, r, "image/svg+xml", drawSVG)
}

// drawSVG gives the drawing the size of the PNG: without one of its own it would
// be shown in whatever width there is for pictures without.
func drawSVG(q *credentials.QR) []byte {
	const element = "<svg"
	side := strconv.Itoa(q.PNGSize(scaleOf(q)))
	return append([]byte(element+` width="`+side+`" height="`+side+`"`), q.AppendSVG(nil)[len(element):]...)
}

// qr draws what the QR code of an invitation says: the deployment URL, or what
// the platform in the query wants.
func (h *handler) qr(w http.ResponseWriter, r *http.Request, media string, draw func(*credentials.QR) []byte) {
	platform := device.Platform(r.URL.Query().Get("platform"))
	if platform != "" && !platform.Valid() {
		h.refuse(w, r, enrollment.Site{}, &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: "platform", Code: "unknown"}}})
		return
	}
	payload, err := h.svc.QR(r.Context(), mux.Vars(r)["token"], platform)
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	var image []byte
	err = h.draw(r.Context(), payload, func(q *credentials.QR) { image = draw(q) })
	if r.Context().Err() != nil {
		return
	}
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(image)))
	// A reader who went away is no error of ours.
	_, _ = w.Write(image)
}

// draw encodes a payload and hands the code to fn, when it is its turn.
func (h *handler) draw(ctx context.Context, payload credentials.Secret, fn func(*credentials.QR)) error {
	select {
	case h.drawing <- struct{}{}:
		defer func() { <-h.drawing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	code, err := credentials.EncodeQR(payload)
	if errors.Is(err, credentials.ErrTooLong) {
		code, err = credentials.EncodeQRLevel(payload, credentials.QRLow)
	}
	if err == nil {
		fn(code)
	}
	return err
}

// shownCode is a QR code on a page.
type shownCode struct {
	Image template.URL // its address, or all of it
	Side  int          // width and height, in pixels of the page
}

// codeAt is a code that is drawn at an address of ours when somebody asks for it, at
// least so wide. What cannot be drawn, that address says.
func codeAt(address string, payload credentials.Secret, least int) shownCode {
	length := len(payload.Reveal())
	modules := credentials.QRModules(length, credentials.QRMedium)
	if modules == 0 { // as draw does
		modules = credentials.QRModules(length, credentials.QRLow)
	}
	return shownCode{template.URL(address), max(least, leastModule*(modules+2*credentials.QuietZone))}
}

// drawnCode is a code that no address leads to.
func (h *handler) drawnCode(ctx context.Context, payload credentials.Secret, least int) (shown shownCode, err error) {
	err = h.draw(ctx, payload, func(q *credentials.QR) {
		shown.Image = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(drawPNG(q)))
		shown.Side = max(least, q.PNGSize(leastModule))
	})
	return shown, err
}
