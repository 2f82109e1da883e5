package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/database"
	"example.com/enrollkit/refserver/internal/server"
	"example.com/enrollkit/refserver/internal/smtp"
	"example.com/enrollkit/refserver/internal/web"
)

// setting is one flag, also taken from ENROLLKIT_NAME in the environment, and
// secrets from a file named by ENROLLKIT_NAME_FILE.
type setting struct {
	name, value, usage string
	secret             bool
	show               func(string) string // of a secret that may be shown in part; nil: it may not
	toggle             bool
}

// settings are all flags with their defaults.
var settings = []setting{
	{name: "listen", value: "127.0.0.1:8080", usage: "`address` to listen on"},
	{name: "public-url", usage: "`URL` where people and devices reach this server; https, or http on loopback; defaults to http at -listen"},
	{name: "database", value: "sqlite:enrollkit.db", usage: "`sqlite:PATH` or postgres://user:password@host/name", secret: true, show: database.Redacted},
	{name: "allow-unsafe-database", value: "false", usage: "take a PostgreSQL server with fsync=off or synchronous_commit=off, which may lose what was acknowledged", toggle: true},
	{name: "keyring", usage: "`path` of the key ring, made on the first start, the same for all nodes; defaults to the database's path with .keyring, or enrollkit.keyring"},
	{name: "smtp", usage: "`URL` of the mail server, smtp://user:password@host:port or smtps://...; without it mail goes to the built-in mailbox", secret: true},
	{name: "mail-from", usage: "`address` that mail comes from; required with -smtp"},
	{name: "admin-email", value: "admin@localhost", usage: "`address` of the first site's administrator"},
	{name: "admin-token", usage: "the administrator's `token`; without it one is minted and printed at the first start", secret: true},
	{name: "operator-token", usage: "`token` for making sites; without it nobody makes any", secret: true},
	{name: "trusted-proxies", usage: "`networks` whose X-Forwarded-For is believed, separated by commas"},
	{name: "metrics-listen", usage: "`address` for Prometheus, at /metrics, on a listener of its own; without it there are none"},
	{name: "linger", usage: "how `long` requests are still taken after being asked to stop, up to 2.5s, so that a balancer sees /readyz first; defaults to 2s on PostgreSQL and 0s on SQLite"},
	{name: "apple", value: "auto", usage: "whether iPhones, iPads and Macs are managed: `on`, off, or auto, which is on with a push certificate or a topic, and on loopback"},
	{name: "apple-push-certificate", usage: "`path` of the push certificate from identity.apple.com with its key, in PEM; without one, devices can be tried out and not be woken"},
	{name: "apple-topic", usage: "`topic` of the push certificate (com.apple.mgmt...), for a node that does not push"},
	{name: "apple-signing-certificate", usage: "`path` of the certificate that signs profiles, with its chain and key, in PEM; without one, devices call profiles unverified"},
	{name: "windows-listen", value: "auto", usage: "`address` for the sessions of Windows devices, which come over TLS with certificates of their own; off offers the agent from the store instead, and auto is 363 above the port of -listen, or a free port, on loopback, and off elsewhere"},
	{name: "windows-url", usage: "https `URL` where Windows devices reach -windows-listen, not through a proxy that ends TLS; defaults to the host of -public-url with the port of -windows-listen"},
	{name: "windows-certificate", usage: "`path` of the certificate of -windows-listen, with its chain and key, in PEM, read again when it changes; without one, the server's own authority makes it, which enrolled devices trust"},
	{name: "log-format", value: "text", usage: "`text` or json"},
	{name: "log-level", value: "info", usage: "`debug`, info, warn or error"},
	{name: "demo", value: "false", usage: "fill the site with demo users", toggle: true},
	{name: "print-config", value: "false", usage: "print the configuration without secrets and exit", toggle: true},
}

// options are the settings as given.
type options struct {
	values      map[string]string
	level       slog.Level
	printConfig bool
}

// readOptions reads flags over environment over defaults. It returns nil after
// showing help.
func readOptions(args []string, env func(string) string, errOut io.Writer) (*options, error) {
	o := &options{values: map[string]string{}}
	flags := flag.NewFlagSet("refserver", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // its errors are returned, on one line
	for _, s := range settings {
		value, err := s.fromEnv(env)
		if err != nil {
			return nil, err
		}
		o.values[s.name] = value
		if s.toggle {
			flags.BoolFunc(s.name, s.usage, o.set(s.name))
		} else {
			flags.Func(s.name, s.usage, o.set(s.name))
		}
	}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		usage(errOut)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err := o.level.UnmarshalText([]byte(o.values["log-level"])); err != nil {
		return nil, errors.New("-log-level: want debug, info, warn or error")
	}
	if f := o.values["log-format"]; f != "text" && f != "json" {
		return nil, errors.New("-log-format: want text or json")
	}
	for _, s := range settings {
		if v := o.values[s.name]; s.toggle && v != "true" && v != "false" {
			return nil, fmt.Errorf("-%s: want true or false", s.name)
		}
	}
	o.printConfig = o.values["print-config"] == "true"
	return o, nil
}

func (o *options) set(name string) func(string) error {
	return func(value string) error { o.values[name] = value; return nil }
}

func (s setting) env() string {
	return "ENROLLKIT_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

// fromEnv returns what the environment says, or the default.
func (s setting) fromEnv(env func(string) string) (string, error) {
	file := env(s.env() + "_FILE")
	switch v := env(s.env()); {
	case v != "" && file != "" && s.secret:
		return "", fmt.Errorf("%s and %s_FILE are both set", s.env(), s.env())
	case v != "":
		return v, nil
	case file == "" || !s.secret:
		return s.value, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", s.env(), err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

func usage(w io.Writer) {
	_, _ = fmt.Fprintln(w, "usage: refserver [COMMAND] [flags], with COMMAND serve (the default), "+names+"\nFlags of serve:")
	for _, s := range settings {
		kind, text := flag.UnquoteUsage(&flag.Flag{Usage: s.usage})
		if s.toggle {
			kind = ""
		}
		if s.value != "" && !s.toggle {
			text += " (default " + s.value + ")"
		}
		file := ""
		if s.secret {
			file = "[_FILE]"
		}
		_, _ = fmt.Fprintf(w, "  -%s %s\n\t%s; also %s%s\n", s.name, kind, text, s.env(), file)
	}
}

// print shows the configuration without secrets.
func (o *options) print(w io.Writer) error {
	if _, err := o.config(); err != nil {
		return err
	}
	for _, s := range settings {
		v := o.values[s.name]
		if s.secret && v != "" {
			v = "[redacted]"
			if s.show != nil {
				v = s.show(o.values[s.name])
			}
		}
		if _, err := fmt.Fprintf(w, "%s=%s\n", s.name, v); err != nil {
			return err
		}
	}
	return nil
}

// config checks the options. Its errors are one line, name the flag, and quote
// no secret.
func (o *options) config() (server.Config, error) {
	v := o.values
	cfg := server.Config{
		Listen: v["listen"], MailFrom: v["mail-from"], AdminEmail: v["admin-email"], Demo: v["demo"] == "true",
		SMTP: credentials.SecretString(v["smtp"]), AdminToken: credentials.SecretString(v["admin-token"]),
		OperatorToken: credentials.SecretString(v["operator-token"]),
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return cfg, errors.New("-listen: want host:port")
	}
	if cfg.MetricsListen = v["metrics-listen"]; cfg.MetricsListen != "" {
		if _, _, err := net.SplitHostPort(cfg.MetricsListen); err != nil {
			return cfg, errors.New("-metrics-listen: want host:port")
		}
	}
	if cfg.PublicURL, err = publicURL(v["public-url"], host); err != nil {
		return cfg, err
	}
	if err := o.database(&cfg); err != nil {
		return cfg, err
	}
	if err := o.mail(&cfg); err != nil {
		return cfg, err
	}
	if err := o.apple(&cfg); err != nil {
		return cfg, err
	}
	if err := o.windows(&cfg); err != nil {
		return cfg, err
	}
	for _, name := range []string{"admin-token", "operator-token"} {
		// What only this machine reaches may have a short token.
		if t := v[name]; t != "" && len(t) < 16 && cfg.PublicURL != nil && !web.IsLoopback(cfg.PublicURL.Hostname()) {
			return cfg, fmt.Errorf("-%s: want at least 16 characters", name)
		}
		if strings.ContainsFunc(v[name], func(c rune) bool { return c <= ' ' || c > '~' }) {
			return cfg, fmt.Errorf("-%s: want visible ASCII characters only", name)
		}
	}
	if v["admin-token"] != "" && v["admin-token"] == v["operator-token"] {
		return cfg, errors.New("-operator-token: want another than -admin-token")
	}
	for proxy := range strings.FieldsFuncSeq(v["trusted-proxies"], func(c rune) bool { return c == ',' || c == ' ' }) {
		network, err := netip.ParsePrefix(proxy)
		if err != nil {
			return cfg, errors.New("-trusted-proxies: want networks such as 10.0.0.0/8, separated by commas")
		}
		cfg.TrustedProxies = append(cfg.TrustedProxies, network)
	}
	return cfg, nil
}

func publicURL(s, listenHost string) (*url.URL, error) {
	if s == "" {
		if !web.IsLoopback(listenHost) {
			return nil, errors.New("-public-url: required when -listen is not loopback")
		}
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("-public-url: want a URL such as https://enroll.example.com")
	}
	if u.Path == "/" {
		u.Path = ""
	}
	if err := credentials.CheckBase(u); err != nil {
		return nil, errors.New("-public-url: want https, or http on loopback, with a host and nothing else")
	}
	if u.Path != "" {
		return nil, errors.New("-public-url: a path is not supported")
	}
	return u, nil
}

// database checks what belongs to the database.
func (o *options) database(cfg *server.Config) error {
	name := o.values["database"]
	path, sqlite := strings.CutPrefix(name, "sqlite:")
	if sqlite && path == "" || !sqlite && !database.IsPostgres(name) {
		return errors.New("-database: want sqlite:PATH or postgres://user:password@host/name")
	}
	cfg.Database, cfg.Keyring = name, o.values["keyring"]
	cfg.AllowUnsafe = o.values["allow-unsafe-database"] == "true"
	if !sqlite {
		path, cfg.Linger = "enrollkit", 2*time.Second
	}
	if cfg.Keyring == "" {
		cfg.Keyring = strings.TrimSuffix(path, filepath.Ext(path)) + ".keyring"
	}
	if text := o.values["linger"]; text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > server.MaxLinger {
			return fmt.Errorf("-linger: want a time from 0s to %s", server.MaxLinger)
		}
		cfg.Linger = d
	}
	return nil
}

// mail checks what belongs to mail.
func (o *options) mail(cfg *server.Config) error {
	if !cfg.SMTP.IsZero() {
		if _, err := smtp.New(cfg.SMTP); err != nil {
			return fmt.Errorf("-smtp: %w", err)
		}
		if cfg.MailFrom == "" {
			return errors.New("-mail-from: required with -smtp")
		}
	}
	if cfg.MailFrom == "" {
		cfg.MailFrom = "enrollkit@mailbox.invalid" // it never leaves the built-in mailbox
	}
	if _, err := credentials.CanonicalEmail(cfg.MailFrom); err != nil {
		return errors.New("-mail-from: want one plain e-mail address")
	}
	local, ours := strings.CutSuffix(cfg.AdminEmail, "@localhost")
	if _, err := credentials.CanonicalEmail(cfg.AdminEmail); err != nil && (!ours || local == "") {
		return errors.New("-admin-email: want one plain e-mail address")
	}
	return nil
}

// apple checks what belongs to Apple devices.
func (o *options) apple(cfg *server.Config) error {
	a := &cfg.Apple
	switch o.values["apple"] {
	case "on":
		a.On = true
	case "off":
		a.Off = true
	case "auto":
	default:
		return errors.New("-apple: want auto, on or off")
	}
	if a.Topic = o.values["apple-topic"]; a.Topic != "" && !strings.HasPrefix(a.Topic, "com.apple.mgmt.") {
		return errors.New("-apple-topic: want the topic of a push certificate, which begins with com.apple.mgmt")
	}
	for name, cert := range map[string]**tls.Certificate{"apple-push-certificate": &a.Push, "apple-signing-certificate": &a.Signing} {
		path := o.values[name]
		if path == "" {
			continue
		}
		pair, err := tls.LoadX509KeyPair(path, path)
		if err != nil {
			return fmt.Errorf("-%s: want a PEM file with a certificate and its key", name)
		}
		*cert = &pair
	}
	return nil
}
