package accounts

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/database"
)

// Site is one tenant.
type Site struct {
	ID        string
	Settings  Settings
	CreatedAt time.Time
}

// Reload reads the sites that changed since it was last called.
func (a *Accounts) Reload(ctx context.Context) error {
	// One at a time, or an older answer might come behind a newer one.
	a.loading.Lock()
	defer a.loading.Unlock()
	var changed []Site
	revision := a.revision
	err := a.db.Rows(ctx, `SELECT id, name, settings, created_at, revision FROM ref_sites WHERE revision > ? ORDER BY created_at, id`,
		[]any{a.revision}, func(row database.Scanner) error {
			var s Site
			var name, settings string
			var created, at int64
			if err := row.Scan(&s.ID, &name, &settings, &created, &at); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(settings), &s.Settings); err != nil {
				return err
			}
			s.Settings.Name, s.CreatedAt = name, fromMicros(created)
			changed, revision = append(changed, s), max(revision, at)
			return nil
		})
	if err != nil || len(changed) == 0 {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range changed {
		if _, known := a.sites[s.ID]; !known {
			a.order = append(a.order, s.ID)
		}
		a.sites[s.ID] = s
	}
	a.revision = revision
	slices.SortFunc(a.order, func(x, y string) int {
		return cmp.Or(a.sites[x].CreatedAt.Compare(a.sites[y].CreatedAt), cmp.Compare(x, y))
	})
	return nil
}

// revise counts a change of a site, and lets no other change of one come between
// here and the commit: so revisions are seen in order and none is skipped.
func revise(ctx context.Context, c database.Conn) (n int64, err error) {
	return n, c.Row(ctx, `UPDATE ref_revisions SET n = n + 1 WHERE name = 'sites' RETURNING n`, nil, &n)
}

// changed brings a change that is committed into memory, here and elsewhere.
func (a *Accounts) changed(ctx context.Context) {
	a.db.Signals.Changed(database.Sites)
	// What cannot be read now is read by Run.
	_ = a.Reload(context.WithoutCancel(ctx))
}

// CreateSite makes a site with one administrator and a token for it. The token
// is minted unless one is given, and never shown again.
func (a *Accounts) CreateSite(ctx context.Context, settings Settings, adminEmail string, token Token) (Site, Principal, error) {
	return a.createSite(ctx, settings, adminEmail, token, false)
}

// CreateFirst is CreateSite where there is no site yet; of several nodes that
// start together one makes it, and the others get an error wrapping
// [enrollment.ErrExists].
func (a *Accounts) CreateFirst(ctx context.Context, settings Settings, adminEmail string, token Token) (Site, Principal, error) {
	return a.createSite(ctx, settings, adminEmail, token, true)
}

func (a *Accounts) createSite(ctx context.Context, settings Settings, adminEmail string, token Token, only bool) (Site, Principal, error) {
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
	err = a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		revision, err := revise(ctx, c)
		if err != nil {
			return err
		}
		if only {
			var others int
			if err := c.Row(ctx, `SELECT count(*) FROM ref_sites`, nil, &others); err != nil || others > 0 {
				return cmp.Or(err, enrollment.ErrExists)
			}
		}
		if _, err := c.Exec(ctx, `INSERT INTO ref_sites (id, name, settings, created_at, revision) VALUES (?, ?, ?, ?, ?)`,
			s.ID, settings.Name, string(stored), micros(now), revision); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, `INSERT INTO ref_admins (site, id, name, email, email_key, created_at) VALUES (?, ?, '', ?, ?, ?)`,
			p.Site, p.Admin, adminEmail, key, micros(now)); err != nil {
			return err
		}
		return putToken(ctx, c, p, token, now)
	})
	a.changed(ctx)
	if err != nil {
		return Site{}, Principal{}, err
	}
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
	err = a.db.Update(ctx, func(ctx context.Context, c database.Conn) error {
		revision, err := revise(ctx, c)
		if err != nil {
			return err
		}
		n, err := c.Exec(ctx, `UPDATE ref_sites SET name = ?, settings = ?, revision = ? WHERE id = ?`, settings.Name, string(stored), revision, site)
		if err == nil && n == 0 {
			err = enrollment.ErrNotFound
		}
		return err
	})
	a.changed(ctx)
	return err
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
	var list []enrollment.Administrator
	err = a.db.Rows(ctx, `SELECT id, name, email FROM ref_admins WHERE site = ? ORDER BY id`, []any{site}, func(row database.Scanner) error {
		admin := enrollment.Administrator{Language: language}
		if err := row.Scan(&admin.ID, &admin.Name, &admin.Email); err != nil {
			return err
		}
		list = append(list, admin)
		return nil
	})
	return list, err
}
