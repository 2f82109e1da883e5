package enrollhttp

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

const (
	// qrPixels is the least width of a PNG: enough to be scanned from a screen
	// at arm's length.
	qrPixels = 512
	// maxDrawing is how many QR codes are drawn at one time; each takes some
	// milliseconds of one core.
	maxDrawing = 4
)

func (h *handler) qrPNG(w http.ResponseWriter, r *http.Request) {
	h.qr(w, r, "image/png", func(q *credentials.QR) []byte {
		scale := 1
		for scale < credentials.MaxPNGScale && q.PNGSize(scale) < qrPixels {
			scale++
		}
		return q.AppendPNG(nil, scale)
	})
}

func (h *handler) qrSVG(w http.ResponseWriter, r *http.Request) {
	h.qr(w, r, "image/svg+xml", func(q *credentials.QR) []byte { return q.AppendSVG(nil) })
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
	select {
	case h.drawing <- struct{}{}:
		defer func() { <-h.drawing }()
	case <-r.Context().Done():
		return
	}
	code, err := credentials.EncodeQR(payload)
	if errors.Is(err, credentials.ErrTooLong) {
		code, err = credentials.EncodeQRLevel(payload, credentials.QRLow)
	}
	if err != nil {
		h.refuse(w, r, enrollment.Site{}, err)
		return
	}
	image := draw(code)
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(image)))
	// A reader who went away is no error of ours.
	_, _ = w.Write(image)
}
