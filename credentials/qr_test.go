package credentials_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

// link100 is a payload of 100 bytes, as a long public URL gives.
var link100 = credentials.SecretString("https://enrollment.mdm.customer.example.com/company/join/i/"[:57] + goodToken)

func encode(t testing.TB, payload string) *credentials.QR {
	t.Helper()
	q, err := credentials.EncodeQR(credentials.SecretString(payload))
	require.NoError(t, err)
	return q
}

// payloads gives codes from the smallest to the largest.
var payloads = []string{
	"1", "https://mdm.example.com/i/" + goodToken, link100.Reveal(), strings.Repeat("{json}", 80), strings.Repeat("x", 2331),
}

func TestACodeIsTheEncodersMatrix(t *testing.T) {
	for _, p := range payloads {
		want, err := qr.Encode(p, qr.M, qr.Auto)
		require.NoError(t, err)
		q := encode(t, p)
		require.Equal(t, want.Bounds().Dx(), q.Modules())
		for y := -5; y < q.Modules()+5; y++ {
			for x := -5; x < q.Modules()+5; x++ {
				inside := image.Pt(x, y).In(want.Bounds())
				require.Equal(t, inside && want.At(x, y) == color.Black, q.At(x, y), "%d %d", x, y)
			}
		}
	}
}

func TestAPNGShowsEveryModuleAndTheQuietZone(t *testing.T) {
	for _, p := range payloads {
		q := encode(t, p)
		for _, scale := range []int{1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 31, 32} {
			if q.Modules() > 100 && scale > 5 {
				continue // the same code paths, and millions of pixels
			}
			checkPNG(t, q, scale, q.AppendPNG(nil, scale))
		}
	}
}

func checkPNG(t *testing.T, q *credentials.QR, scale int, file []byte) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(file))
	require.NoError(t, err, "scale %d", scale)
	side := (q.Modules() + 2*credentials.QuietZone) * scale
	require.Equal(t, side, q.PNGSize(scale))
	require.Equal(t, image.Rect(0, 0, side, side), img.Bounds())
	gray := img.(*image.Gray)
	for y := range side {
		for x := range side {
			want := uint8(255)
			if q.At(x/scale-credentials.QuietZone, y/scale-credentials.QuietZone) {
				want = 0
			}
			if gray.Pix[y*gray.Stride+x] != want {
				t.Fatalf("scale %d: pixel %d,%d is %d", scale, x, y, gray.Pix[y*gray.Stride+x])
			}
		}
	}
}

func TestAPNGIsOneBitGreyAndSmall(t *testing.T) {
	q, err := credentials.EncodeQR(link100)
	require.NoError(t, err)
	file := q.AppendPNG(nil, 8)
	require.LessOrEqual(t, len(file), 800)
	require.Equal(t, []byte{1, 0, 0, 0, 0}, file[24:29], "depth 1, grey")
	config, err := png.DecodeConfig(bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, color.GrayModel, config.ColorModel)
	require.Equal(t, 392, config.Width)
}

func TestRenderingAppendsAndAllocatesNothing(t *testing.T) {
	q, err := credentials.EncodeQR(link100)
	require.NoError(t, err)
	before := []byte("before")
	for name, render := range map[string]func([]byte) []byte{
		"png": func(dst []byte) []byte { return q.AppendPNG(dst, 8) },
		"svg": q.AppendSVG,
	} {
		out := render(append([]byte(nil), before...))
		require.Equal(t, before, out[:len(before)], name)
		require.Equal(t, render(nil), out[len(before):], name)
		buf := make([]byte, 0, 16<<10)
		require.Zero(t, testing.AllocsPerRun(50, func() { render(buf) }), name)
	}
	var b bytes.Buffer
	require.NoError(t, q.PNG(&b, 8))
	require.Equal(t, q.AppendPNG(nil, 8), b.Bytes())
	b.Reset()
	require.NoError(t, q.SVG(&b))
	require.Equal(t, q.AppendSVG(nil), b.Bytes())
	for in, taken := range map[int]int{-1: 1, 0: 1, 33: 32, 1 << 30: 32} {
		require.Equal(t, q.AppendPNG(nil, taken), q.AppendPNG(nil, in), "scale %d", in)
	}
	r, w := io.Pipe()
	require.NoError(t, r.Close())
	require.Error(t, q.PNG(w, 8))
	require.Error(t, q.SVG(w))
	require.Error(t, q.Terminal(w))
}

func TestAnSVGDrawsExactlyTheDarkModules(t *testing.T) {
	run := regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)
	for _, p := range payloads {
		q := encode(t, p)
		var doc struct {
			XMLName xml.Name
			ViewBox string `xml:"viewBox,attr"`
			Paths   []struct {
				D string `xml:"d,attr"`
			} `xml:"path"`
		}
		require.NoError(t, xml.Unmarshal(q.AppendSVG(nil), &doc))
		side := q.Modules() + 2*credentials.QuietZone
		require.Equal(t, "http://www.w3.org/2000/svg", doc.XMLName.Space)
		require.Equal(t, fmt.Sprintf("0 0 %d %d", side, side), doc.ViewBox)
		require.Len(t, doc.Paths, 2)
		require.Equal(t, fmt.Sprintf("M0 0h%dv%dH0z", side, side), doc.Paths[0].D)

		dark := map[image.Point]bool{}
		require.Empty(t, run.ReplaceAllString(doc.Paths[1].D, ""))
		for _, m := range run.FindAllStringSubmatch(doc.Paths[1].D, -1) {
			require.Equal(t, m[3], m[4])
			x, _ := strconv.Atoi(m[1])
			y, _ := strconv.Atoi(m[2])
			n, _ := strconv.Atoi(m[3])
			for i := range n {
				dark[image.Pt(x+i-credentials.QuietZone, y-credentials.QuietZone)] = true
			}
		}
		count := 0
		for y := range q.Modules() {
			for x := range q.Modules() {
				if q.At(x, y) {
					count++
					require.True(t, dark[image.Pt(x, y)])
				}
			}
		}
		require.Len(t, dark, count)
	}
}

func TestATerminalShowsTheCodeDarkOnLight(t *testing.T) {
	q := encode(t, "https://mdm.example.com/i/"+goodToken)
	var b strings.Builder
	require.NoError(t, q.Terminal(&b))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	side := q.Modules() + 2*credentials.QuietZone
	require.Len(t, lines, (side+1)/2)
	for i, line := range lines {
		line, ok := strings.CutPrefix(line, "\x1b[30;107m")
		require.True(t, ok)
		line, ok = strings.CutSuffix(line, "\x1b[0m")
		require.True(t, ok)
		cells := []rune(line)
		require.Len(t, cells, side)
		for x, cell := range cells {
			y := 2*i - credentials.QuietZone
			upper, lower := q.At(x-credentials.QuietZone, y), q.At(x-credentials.QuietZone, y+1)
			want := map[[2]bool]rune{{false, false}: ' ', {true, false}: '▀', {false, true}: '▄', {true, true}: '█'}
			require.Equal(t, want[[2]bool{upper, lower}], cell)
		}
	}
}

func TestAPayloadThatDoesNotFitIsATypedErrorWithoutThePayload(t *testing.T) {
	for _, c := range []struct {
		level credentials.QRLevel
		max   int
	}{
		{credentials.QRMedium, 2331}, {credentials.QRLow, 2953}, {credentials.QRQuartile, 1663}, {credentials.QRHigh, 1273},
	} {
		q, err := credentials.EncodeQRLevel(credentials.SecretString(strings.Repeat("s", c.max)), c.level)
		require.NoError(t, err)
		require.Equal(t, 177, q.Modules())
		_, err = credentials.EncodeQRLevel(credentials.SecretString(strings.Repeat("s", c.max+1)), c.level)
		require.ErrorIs(t, err, credentials.ErrTooLong)
		qrErr, ok := errors.AsType[*credentials.QRError](err)
		require.True(t, ok)
		require.Equal(t, c.max+1, qrErr.Length)
		require.Equal(t, c.max, qrErr.Max)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "ssss")
	}
	_, err := credentials.EncodeQR(credentials.Secret{})
	require.ErrorIs(t, err, credentials.ErrMalformed)
	_, err = credentials.EncodeQRLevel(credentials.SecretString("x"), credentials.QRLevel(9))
	require.ErrorIs(t, err, credentials.ErrMalformed)
}
