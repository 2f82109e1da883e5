package simulate

import "example.com/enrollkit/device"

// kind is a sort of device that people have.
type kind string

const (
	androidPhone  kind = "Android phone"
	androidTablet kind = "Android tablet"
	iPhone        kind = "iPhone"
	iPad          kind = "iPad"
	mac           kind = "Mac"
	windowsPC     kind = "Windows PC"
)

func (k kind) platform() device.Platform {
	switch k {
	case androidPhone, androidTablet:
		return device.Android
	case iPhone, iPad:
		return device.IOS
	case mac:
		return device.MacOS
	}
	return device.Windows
}

// kinds is how often people have which kind, in percent.
var kinds = []struct {
	kind
	percent int
}{
	{androidPhone, 55}, {androidTablet, 8}, {iPhone, 16}, {iPad, 5}, {mac, 6}, {windowsPC, 10},
}

// model is a device as it names itself, and the browser on it.
type model struct {
	manufacturer, name, os string
	agent                  string // User-Agent
}

const (
	chrome   = " AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	mobile   = " AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
	onMac    = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
	onWin    = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + chrome + " Edg/126.0.0.0"
	safari   = " AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2 Safari/605.1.15"
	safariOn = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.2 Mobile/15E148 Safari/604.1"
)

var models = map[kind][]model{
	androidPhone: {
		{"Google", "Pixel 8", "15", "Mozilla/5.0 (Linux; Android 15; Pixel 8)" + mobile},
		{"Google", "Pixel 9 Pro", "16", "Mozilla/5.0 (Linux; Android 16; Pixel 9 Pro)" + mobile},
		{"samsung", "SM-S921B", "15", "Mozilla/5.0 (Linux; Android 15; SM-S921B)" + mobile},
		{"samsung", "SM-A556B", "14", "Mozilla/5.0 (Linux; Android 14; SM-A556B)" + mobile},
		{"Xiaomi", "2201116SG", "13", "Mozilla/5.0 (Linux; Android 13; 2201116SG)" + mobile},
		{"Fairphone", "FP5", "14", "Mozilla/5.0 (Linux; Android 14; FP5)" + mobile},
		{"motorola", "motorola edge 40", "14", "Mozilla/5.0 (Linux; Android 10; K)" + mobile},
		{"HMD Global", "Nokia XR21", "14", "Mozilla/5.0 (Linux; Android 14; Nokia XR21)" + mobile},
	},
	androidTablet: {
		{"samsung", "SM-X710", "15", "Mozilla/5.0 (Linux; Android 15; SM-X710)" + chrome},
		{"Lenovo", "TB370FU", "14", "Mozilla/5.0 (Linux; Android 14; TB370FU)" + chrome},
	},
	iPhone: {
		{"Apple", "iPhone15,4", "18.2.1", safariOn},
		{"Apple", "iPhone14,5", "17.7", safariOn},
		{"Apple", "iPhone17,1", "18.2.1", safariOn},
	},
	iPad: {
		{"Apple", "iPad13,18", "18.2", onMac + safari}, // as iPads call themselves since iPadOS 13
		{"Apple", "iPad14,3", "17.7", "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 Mobile/15E148 Safari/604.1"},
	},
	mac: {
		{"Apple", "Mac14,2", "15.2", onMac + safari},
		{"Apple", "Mac15,3", "14.7", onMac + chrome},
	},
	windowsPC: {
		{"Dell Inc.", "Latitude 5450", "10.0.26100.2605", onWin},
		{"LENOVO", "21HDCTO1WW", "10.0.22631.4602", onWin},
		{"HP", "EliteBook 840 14 inch G10", "10.0.26100.2605", onWin},
	},
}

// desk is the browser on which people read mail at work.
var desks = []string{onWin, onMac + chrome, "Mozilla/5.0 (X11; Linux x86_64)" + chrome}

// person's name, and how it is written in an address.
type name struct{ first, last, address string }

var names = []name{
	{"Anna", "Nováková", "anna.novakova"}, {"Ben", "Carter", "ben.carter"}, {"Chiara", "Ricci", "chiara.ricci"},
	{"Daniel", "Weiß", "daniel.weiss"}, {"Elif", "Yılmaz", "elif.yilmaz"}, {"Farid", "Haddad", "farid.haddad"},
	{"Greta", "Lindqvist", "greta.lindqvist"}, {"Hugo", "Martin", "hugo.martin"}, {"Ines", "García", "ines.garcia"},
	{"Jan", "Dvořák", "jan.dvorak"}, {"Kateřina", "Malá", "katerina.mala"}, {"Lars", "Østergård", "lars.ostergard"},
	{"Maria", "Popescu", "maria.popescu"}, {"Noah", "Okafor", "noah.okafor"}, {"Olga", "Kovalenko", "olga.kovalenko"},
	{"Pavel", "Černý", "pavel.cerny"}, {"Quentin", "Dubois", "quentin.dubois"}, {"Rosa", "Almeida", "rosa.almeida"},
	{"Štěpán", "Horák", "stepan.horak"}, {"Tuuli", "Virtanen", "tuuli.virtanen"}, {"Uwe", "Schäfer", "uwe.schaefer"},
	{"Vera", "Ivanova", "vera.ivanova"}, {"Wei", "Zhang", "wei.zhang"}, {"Xenia", "Papadopoulou", "xenia.papadopoulou"},
	{"Yusuf", "Demir", "yusuf.demir"}, {"Zofia", "Nowak", "zofia.nowak"}, {"Aoife", "Byrne", "aoife.byrne"},
	{"Bartosz", "Wójcik", "bartosz.wojcik"}, {"Clara", "Jensen", "clara.jensen"}, {"Dmitri", "Petrov", "dmitri.petrov"},
}

// scanner is a machine in front of a mailbox.
type scanner struct{ name, agent string }

var scanners = []scanner{
	{"Safe Links", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + chrome}, // calls itself an ordinary browser
	{"Barracuda", "BarracudaLinkProtect/1.0"},
	{"Proofpoint", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/125.0.0.0 Safari/537.36"},
	{"Slack preview", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"},
}
