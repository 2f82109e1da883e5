package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/png"
	"net/http"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"example.com/enrollkit/credentials"
)

// scan points a camera at the QR code and returns the token in it.
func (p *player) scan(ctx context.Context, who string, a *agent) (string, error) {
	got, err := p.look(ctx, who, http.MethodGet, p.person.Desk, p.token, "/qr.png", "200")
	if err != nil {
		return "", err
	}
	text, err := ReadQR(got.body)
	if err != nil {
		p.tally.unexpected(who, "GET /i/{token}/qr.png", "a QR code that a camera reads", "none")
		return "", errStopped
	}
	token, ok := tokenIn(text)
	if !ok || token != p.token {
		p.tally.unexpected(who, "GET /i/{token}/qr.png", "the invitation's token", "something else")
		return "", errStopped
	}
	p.tally.count("QR codes scanned")
	return token, nil
}

// ReadQR returns the text of a QR code in a PNG, read by a decoder that is not
// ours. Of a hundred perfect pictures gozxing
// takes one or two for crooked, like a camera that needs a second look; then it
// is told that the picture is straight.
func ReadQR(image []byte) (string, error) {
	picture, err := png.Decode(bytes.NewReader(image))
	if err != nil {
		return "", errors.New("simulate: no PNG")
	}
	for _, hints := range []map[gozxing.DecodeHintType]any{nil, {gozxing.DecodeHintType_PURE_BARCODE: true}} {
		bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
		if err != nil {
			break
		}
		if result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints); err == nil {
			return result.GetText(), nil
		}
	}
	return "", errors.New("simulate: no QR code")
}

// tokenIn finds an invitation's token: the text is a deployment URL, or the
// provisioning JSON of a platform with the link or the token somewhere inside.
func tokenIn(text string) (string, bool) {
	if token, err := credentials.ParseDeploymentURL(text); err == nil {
		return token.Reveal(), true
	}
	if token, err := credentials.ParseToken(text); err == nil {
		return token.Reveal(), true
	}
	var v map[string]any
	if json.Unmarshal([]byte(text), &v) != nil {
		return "", false
	}
	for _, inner := range v {
		nested, isText := inner.(string)
		if !isText {
			again, err := json.Marshal(inner)
			if err != nil {
				continue
			}
			nested = string(again)
		}
		if token, ok := tokenIn(nested); ok {
			return token, true
		}
	}
	return "", false
}
