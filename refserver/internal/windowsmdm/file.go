package windowsmdm

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// CertificateFile is the listener's certificate, in a file that somebody else
// renews. It is safe for concurrent use.
type CertificateFile struct {
	path string

	mu     sync.Mutex
	cert   *tls.Certificate
	read   version // what cert is of
	failed version // what the log has a line about
}

// version is a state of the file; with size -1 none at all.
type version struct {
	modified time.Time
	size     int64
}

var noVersion = version{size: -1}

// ReadCertificate reads a certificate with its chain and key from a PEM file.
func ReadCertificate(path string) (*CertificateFile, error) {
	f := &CertificateFile{path: path, failed: noVersion}
	_, err := f.Get(context.Background(), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Get returns the certificate of the moment: the file is read again when it has
// changed. While it cannot be read, the certificate from before stays, and the log
// says so once for each change: it will end some day.
func (f *CertificateFile) Get(ctx context.Context, log *slog.Logger) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var now version // also of a file that is not there
	info, err := os.Stat(f.path)
	if err == nil {
		now = version{info.ModTime(), info.Size()}
		if f.cert != nil && now == f.read {
			f.failed = noVersion
			return f.cert, nil
		}
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(f.path, f.path); err == nil {
			f.cert, f.read, f.failed = &pair, now, noVersion
			return f.cert, nil
		}
	}
	if f.cert == nil {
		return nil, err
	}
	if now != f.failed {
		f.failed = now
		log.WarnContext(ctx, "windows: the listener's certificate cannot be read again", "file", f.path, "error", err)
	}
	return f.cert, nil
}
