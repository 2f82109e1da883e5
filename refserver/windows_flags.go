package main

import (
	"errors"
	"net"
	"net/url"

	"example.com/enrollkit/refserver/internal/server"
	"example.com/enrollkit/refserver/internal/web"
	"example.com/enrollkit/refserver/internal/windowsmdm"
)

// windows checks what belongs to Windows devices.
func (o *options) windows(cfg *server.Config) (err error) {
	w := &cfg.Windows
	switch listen := o.values["windows-listen"]; listen {
	case "auto":
	case "off":
		w.Off = true
	default:
		if _, port, err := net.SplitHostPort(listen); err != nil || port == "" || port == "0" && !loopback(cfg) {
			return errors.New("-windows-listen: want host:port, auto or off")
		}
		w.Listen = listen
	}
	managed := w.Listen != "" || !w.Off && loopback(cfg)
	for _, name := range []string{"windows-url", "windows-certificate"} {
		if o.values[name] != "" && !managed {
			return errors.New("-" + name + ": want -windows-listen too")
		}
	}
	if text := o.values["windows-url"]; text != "" {
		if w.URL, err = url.Parse(text); err != nil || w.URL.Scheme != "https" || w.URL.Hostname() == "" || w.URL.User != nil ||
			w.URL.Path != "" && w.URL.Path != "/" || w.URL.RawQuery != "" || w.URL.Fragment != "" {
			return errors.New("-windows-url: want https with a host and nothing else")
		}
		w.URL.Path = ""
	}
	if path := o.values["windows-certificate"]; path != "" {
		if w.Certificate, err = windowsmdm.ReadCertificate(path); err != nil {
			return errors.New("-windows-certificate: want a PEM file with a certificate and its key")
		}
	}
	return nil
}

// loopback reports whether the server is for this machine alone.
func loopback(cfg *server.Config) bool {
	return cfg.PublicURL == nil || web.IsLoopback(cfg.PublicURL.Hostname())
}
