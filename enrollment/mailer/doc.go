// Package mailer turns the outbox's mail into messages: [Mailer] is an
// enrollment.Deliverer that renders templates and hands a finished [Message] to
// a [Sender]. It knows neither SMTP nor MIME; the Sender does.
//
// # Templates
//
// A mail is made of three files in the directory of its language,
//
//	en/invitation.subject.txt
//	en/invitation.body.txt
//	en/invitation.body.html
//
// and layout.html, which is the frame of every HTML part and takes the body in
// by {{template "body" .}}. The kinds are invitation, renewal, alert and
// self_service; English and Czech are built in ([Templates]). [Options].Templates
// is laid on top of them, file by file, and may add languages, for some kinds
// only if need be. A mail is written in the first language that has all three
// files of its kind: the person's ("pt-br", then "pt"), the site's first, English.
//
// Templates see the fields of [Data] and nothing else. They may use if, with,
// variables, comments and the functions and, or, not, eq, ne, lt, le, gt, ge and
// len. There is no loop, no nested template and no call, so that text which
// administrators edit can neither run away nor reach anything. [New] checks
// every branch of every file and runs each against sample data.
//
// # Messages that administrators edit
//
// [Options].Overrides holds a [Template] per site, kind and language: subject,
// text, and the HTML that the layout goes around. It is asked at each delivery.
// For each language in turn, an override comes before the files, so that an
// edited English mail never displaces the Czech one of a person who reads Czech.
// A self_service mail without the user name and the password is no template.
//
// An editor starts from [Mailer.Default], lists [Variables], shows
// [Mailer.Preview], and stores what [Check] accepts. Check is stricter than New,
// since the operator writes files and a tenant's administrator overrides: only
// the variables of the kind, only formatting in HTML, nothing that a mail program
// would load from elsewhere. What is stored is held to it again at delivery; if it
// does not pass, it is logged by its code and the mail is written without it.
//
// # What cannot get in
//
// Names come from people, devices and tenants. Before a template sees them they
// lose control and bidi characters, line breaks, angle brackets and whatever a
// mail program would turn into a link, and are cut to 64 runes. Links are the
// deployment URL and the enrollment pages, which have to lie below the site's own
// PublicURL, and the agent's from the site's configuration. The recipient is the stored address,
// byte for byte, and must be exactly one plain address. Everything that a Sender
// writes into a header has been refused if it held CR, LF or NUL.
//
// # Secrets
//
// Deployment URL, PIN, QR code and one-time login are revealed into the bodies and
// the inline image, never into a subject, a header or an alert; no template may
// look at one in a subject. A Message does not print itself: treat its Text, HTML
// and Inline as the secrets they hold.
//
// # Errors and concurrency
//
// Errors name the message and the file, never an address or a secret. A
// malformed recipient is an enrollment.ErrUndeliverable; what a Sender returns
// is passed on wrapped, so that it may say the same of an address that a server
// refused for good. A Mailer is immutable and safe for concurrent use.
package mailer
