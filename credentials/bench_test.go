package credentials_test

import (
	"bytes"
	"crypto/rand"
	"image/png"
	"testing"
	"time"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

// Everything one invitation needs: token, PIN, their two MACs, one envelope.
func BenchmarkNewInvitationCredentials(b *testing.B) {
	ring := newRing(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		set, err := credentials.NewSet(rand.Reader, credentials.DefaultPINDigits)
		if err != nil {
			b.Fatal(err)
		}
		_ = ring.MACSecret(credentials.PurposeToken, set.Token)
		_ = ring.MACSecret(credentials.PurposePIN, set.PIN, "acme", "inv_01jx0000000000000000000000", "1")
		if _, err := ring.SealSet(rand.Reader, place, set); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	ring := newRing(b, 2)
	pin := credentials.SecretString("12345678")
	b.Run("parts", func(b *testing.B) {
		site, owner, text := []byte("acme"), []byte("inv_1"), []byte("12345678")
		m := ring.MAC(credentials.PurposePIN, site, owner, text)
		b.ReportAllocs()
		for b.Loop() {
			if ok, err := ring.Verify(m, credentials.PurposePIN, site, owner, text); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("secret", func(b *testing.B) {
		m := ring.MACSecret(credentials.PurposePIN, pin, "acme", "inv_1")
		b.ReportAllocs()
		for b.Loop() {
			if ok, err := ring.VerifySecret(m, credentials.PurposePIN, pin, "acme", "inv_1"); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}

func BenchmarkMAC(b *testing.B) {
	ring := newRing(b, 1)
	part := []byte(goodToken)
	b.ReportAllocs()
	for b.Loop() {
		_ = ring.MAC(credentials.PurposeToken, part)
	}
}

func BenchmarkSpend(b *testing.B) {
	limit := credentials.Limit{Key: "k", Max: 20, Window: time.Minute}
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = credentials.Counter{}.Spend(limit, at(0))
	}
}

// The renderers alone, into a reused buffer: 392 by 392 pixels.
func BenchmarkQRRender(b *testing.B) {
	q, err := credentials.EncodeQR(link100)
	require.NoError(b, err)
	buf := make([]byte, 0, 16<<10)
	b.Run("PNG", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = q.AppendPNG(buf, 8)
		}
		b.ReportMetric(float64(len(q.AppendPNG(nil, 8))), "file-bytes")
	})
	b.Run("PNG-scale-5", func(b *testing.B) {
		for b.Loop() {
			_ = q.AppendPNG(buf, 5)
		}
		b.ReportMetric(float64(len(q.AppendPNG(nil, 5))), "file-bytes")
	})
	b.Run("SVG", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = q.AppendSVG(buf)
		}
		b.ReportMetric(float64(len(q.AppendSVG(nil))), "file-bytes")
	})
}

// From payload to PNG, against the usual way to do it with the same encoder.
func BenchmarkQR(b *testing.B) {
	buf := make([]byte, 0, 16<<10)
	ours := func() {
		q, err := credentials.EncodeQR(link100)
		if err != nil {
			b.Fatal(err)
		}
		_ = q.AppendPNG(buf, 8)
	}
	usual := func() {
		code, err := qr.Encode(link100.Reveal(), qr.M, qr.Auto)
		if err != nil {
			b.Fatal(err)
		}
		if code, err = barcode.Scale(code, 392, 392); err != nil {
			b.Fatal(err)
		}
		var out bytes.Buffer
		if err := png.Encode(&out, code); err != nil {
			b.Fatal(err)
		}
	}
	var spent [2]time.Duration
	for b.Loop() {
		for i, f := range []func(){ours, usual} {
			start := time.Now()
			f()
			spent[i] += time.Since(start)
		}
	}
	b.ReportMetric(float64(spent[0].Nanoseconds())/float64(b.N), "ours-ns")
	b.ReportMetric(float64(spent[1].Nanoseconds())/float64(b.N), "usual-ns")
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "ratio")
}
