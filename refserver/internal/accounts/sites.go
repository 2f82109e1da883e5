package accounts

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

// Site is one tenant.
type Site struct {
	ID        string
	Settings  Settings
	CreatedAt time.Time
}

func (a *Accounts) loadSites(ctx context.Context) error {
	rows, err := a.db.QueryContext(ctx, `SELECT id, name, settings, created_at FROM ref_sites ORDER BY created_at, id`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var s Site
		var name string
		var settings []byte
		var created int64
		if err := rows.Scan(&s.ID, &name, &settings, &created); err != nil {
			return err
		}
		if err := json.Unmarshal(settings, &s.Settings); err != nil {
			return err
		}
		s.Settings.Name, s.CreatedAt = name, fromMicros(created)
		a.keep(s)
	}
	return rows.Err()
}

// keep notes a site in memory.
func (a *Accounts) keep(s Site) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.sites[s.ID]; !known {
		a.order = append(a.order, s.ID)
	}
	a.sites[s.ID] = s
}

// CreateSite makes a site with one administrator and a token for it. The token
// is minted unless one is given, and never shown again.
func (a *Accounts) CreateSite(ctx context.Context, settings Settings, adminEmail string, token Token) (Site, Principal, error) {
	now := time.Now().UTC()
	s := Site{ID: newID("site_"), Settings: settings, CreatedAt: now}
	stored, err := settings.marshal()
	if err != nil {
		return Site{}, Principal{}, err
	}
	key, err := adminKey(adminEmail)
	if err != nil {
		return Site{}, Principal{}, err
	}
	p := Principal{Site: s.ID, Admin: newID("adm_"), Email: adminEmail}
	err = a.update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO ref_sites (id, name, settings, created_at) VALUES (?, ?, ?, ?)`,
			s.ID, settings.Name, stored, micros(now)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO ref_admins (site, id, name, email, email_key, created_at) VALUES (?, ?, '', ?, ?, ?)`,
			p.Site, p.Admin, adminEmail, key, micros(now)); err != nil {
			return err
		}
		return putToken(ctx, tx, p, token, now)
	})
	if err != nil {
		return Site{}, Principal{}, err
	}
	a.keep(s)
	return s, p, nil
}

// Settings returns the settings of a site as they were given.
func (a *Accounts) Settings(site string) (Settings, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	s, ok := a.sites[site]
	if !ok {
		return Settings{}, enrollment.ErrNotFound
	}
	return s.Settings, nil
}

// PutSettings replaces the settings of a site, after validating them.
func (a *Accounts) PutSettings(ctx context.Context, site string, settings Settings) error {
	stored, err := settings.marshal()
	if err != nil {
		return err
	}
	a.mu.RLock()
	s, ok := a.sites[site]
	a.mu.RUnlock()
	if !ok {
		return enrollment.ErrNotFound
	}
	if _, err := a.db.ExecContext(ctx, `UPDATE ref_sites SET name = ?, settings = ? WHERE id = ?`, settings.Name, stored, site); err != nil {
		return err
	}
	s.Settings = settings
	a.keep(s)
	return nil
}

// First returns the oldest site, the one of the first start.
func (a *Accounts) First() (Site, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if len(a.order) == 0 {
		return Site{}, false
	}
	return a.sites[a.order[0]], true
}

// Site implements [enrollment.Sites].
func (a *Accounts) Site(_ context.Context, id string) (enrollment.Site, error) {
	a.mu.RLock()
	s, ok := a.sites[id]
	sole := len(a.order) == 1
	a.mu.RUnlock()
	if !ok {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	site := s.Settings.site(id, a.public)
	site.SoleHost = sole
	return site, nil
}

// Host implements [enrollment.Sites]: what paces tries on the one host that all
// sites of this server share. A pace that any of them turns off or widens is so
// for all: if it differed by site, it would tell which addresses a site has
// invited. The budgets, which bound a guesser for ever, stay each site's own.
func (a *Accounts) Host(ctx context.Context, _ string) (enrollment.Site, error) {
	var host enrollment.Site
	for id := range a.All(ctx) {
		site, err := a.Site(ctx, id)
		if err != nil {
			return enrollment.Site{}, err
		}
		if host.ID == "" {
			host = site
			host.Policy.Credentials = site.Policy.Credentials.WithDefaults()
			continue
		}
		loosen(&host.Policy.Credentials, site.Policy.Credentials.WithDefaults())
	}
	if host.ID == "" {
		return enrollment.Site{}, enrollment.ErrNotFound
	}
	return host, nil
}

// loosen widens the paces of p to those of other.
func loosen(p *credentials.Policy, other credentials.Policy) {
	second := time.Second // GlobalPace's window, which is no setting
	for _, pace := range []struct {
		n, m   *int
		nw, mw *time.Duration
	}{
		{&p.PINPace, &other.PINPace, &p.PINPaceWindow, &other.PINPaceWindow},
		{&p.SourcePace, &other.SourcePace, &p.SourceWindow, &other.SourceWindow},
		{&p.PasscodePace, &other.PasscodePace, &p.PasscodePaceWindow, &other.PasscodePaceWindow},
		{&p.OneTimePace, &other.OneTimePace, &p.OneTimePaceWindow, &other.OneTimePaceWindow},
		{&p.GlobalPace, &other.GlobalPace, &second, &second},
	} {
		if *pace.n == credentials.Off || *pace.m == credentials.Off {
			*pace.n = credentials.Off
			continue
		}
		*pace.n, *pace.nw = max(*pace.n, *pace.m), min(*pace.nw, *pace.mw)
	}
}

// All implements [enrollment.Sites].
func (a *Accounts) All(context.Context) iter.Seq2[string, error] {
	a.mu.RLock()
	ids := slices.Clone(a.order)
	a.mu.RUnlock()
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// Administrators implements [enrollment.Administrators].
func (a *Accounts) Administrators(ctx context.Context, site string) ([]enrollment.Administrator, error) {
	settings, err := a.Settings(site)
	if err != nil {
		return nil, err
	}
	language := cmp.Or(settings.Languages...)
	rows, err := a.db.QueryContext(ctx, `SELECT id, name, email FROM ref_admins WHERE site = ? ORDER BY id`, site)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []enrollment.Administrator
	for rows.Next() {
		admin := enrollment.Administrator{Language: language}
		if err := rows.Scan(&admin.ID, &admin.Name, &admin.Email); err != nil {
			return nil, err
		}
		list = append(list, admin)
	}
	return list, rows.Err()
}
