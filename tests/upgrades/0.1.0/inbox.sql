BEGIN TRANSACTION;
CREATE TABLE inbox_catch_up_marks (
	list_id VARCHAR(100) NOT NULL, 
	since VARCHAR(32) NOT NULL, 
	ran_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (list_id)
);
INSERT INTO "inbox_catch_up_marks" VALUES('37af3c02bc','2026-11-26T14:44:15+00:00','2026-11-26T14:44:15+00:00');
CREATE TABLE inbox_events (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	event_id VARCHAR(64) NOT NULL, 
	stream VARCHAR(32), 
	type VARCHAR(100) NOT NULL, 
	list_id VARCHAR(100), 
	email_digest BLOB, 
	web_id VARCHAR(100), 
	occurred_at VARCHAR(32) NOT NULL, 
	received_at VARCHAR(32) NOT NULL, 
	origin VARCHAR(16) NOT NULL, 
	note VARCHAR(32), 
	data TEXT NOT NULL, 
	claimed_at VARCHAR(32), 
	is_signed BOOLEAN, 
	UNIQUE (event_id)
);
INSERT INTO "inbox_events" VALUES(1,'60c51adb753c8c6bb455dc9588ad366da667ae8ff7d5fc0ae8f8b87c5d5dda0a','contact_events','unsubscribe','37af3c02bc',X'0C35DC0026B61826E60B5BAD48561BE7771D4EFC64F21631E1825A88685093B5','400000004','2026-11-26T14:43:31+00:00','2026-11-26T14:43:31.213426+00:00','webhook',NULL,'{"action":"unsub","reason":"manual","id":"ffea0da1e3","email":"papa.voorbeeld.epic06.6@example.org","email_type":"html","ip_opt":"","web_id":"400000004","merges":{"EMAIL":"papa.voorbeeld.epic06.6@example.org","FNAME":"","LNAME":"","ADDRESS":{"addr1":"7 Example Street","addr2":"","city":"São Paulo","state":"SP","zip":"10006","country":"Brazil"},"PHONE":"555-0106","COMPANY":"Example Valves Inc. 6","INDUSTRY":"FOOD","REGION":"SOUTH","ACCTSTATUS":"Active"},"list_id":"37af3c02bc"}',NULL,1);
INSERT INTO "inbox_events" VALUES(2,'b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349','contact_events','unsubscribe','37af3c02bc',X'724C3E5E1BFA10E36A4CE3E3609402E42B7A4993A8D7D20B739E331F1E35E347','400000000','2026-11-26T14:43:31+00:00','2026-11-26T14:43:31.250060+00:00','webhook',NULL,'{"action":"unsub","reason":"abuse","id":"cc850e0e5d","email":"tango.u6472.epic06.2@example.net","email_type":"html","ip_opt":"","web_id":"400000000","merges":{"EMAIL":"tango.u6472.epic06.2@example.net","FNAME":"Tängo","LNAME":"Пример","ADDRESS":{"addr1":"3 Example Street","addr2":"","city":"Zürich","state":"ZH","zip":"10002","country":"Switzerland"},"PHONE":"555-0102","COMPANY":"Příklad Tornillos & Co. KG 2","INDUSTRY":"AERO","REGION":"EMEA","ACCTSTATUS":"Active"},"list_id":"37af3c02bc"}',NULL,1);
INSERT INTO "inbox_events" VALUES(3,'773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9','contact_events','profile','37af3c02bc',X'A9DB78052B55DF942535813F06DE29408D9E19D99D1488CAD19C43B6B115198D','400000002','2026-11-26T14:43:31+00:00','2026-11-26T14:43:31.264588+00:00','webhook',NULL,'{"id":"9d4505fc38","email":"uniform.esempio.epic06.5@example.net","email_type":"html","ip_opt":"","ip_signup":"","web_id":"400000002","merges":{"EMAIL":"uniform.esempio.epic06.5@example.net","FNAME":"Robin","LNAME":"Esempio","ADDRESS":{"addr1":"6 Example Street","addr2":"","city":"Springfield","state":"IL","zip":"10005","country":"USA"},"PHONE":"555-0105","COMPANY":"Ejemplo Gears Kft. 5","INDUSTRY":"FURN","REGION":"NORTH","ACCTSTATUS":"Active"},"list_id":"37af3c02bc"}',NULL,1);
INSERT INTO "inbox_events" VALUES(4,'039e5f2f35b1ad8c679fc9a92ef98220dfa8ff8fbe7ed3d62bf58d50e786092b','contact_events','unsubscribe','37af3c02bc',X'1CA2770724563C30B90AB9DDB7278FF8228014763E4F588A3B9B5A1BC2C8F3B5','400000001','2026-11-26T14:44:26+00:00','2026-11-26T14:44:26.921520+00:00','webhook',NULL,'{"action":"unsub","reason":"manual","id":"700424aa43","email":"uniform.u6472.epic06.4@example.org","email_type":"html","ip_opt":"","web_id":"400000001","merges":{"EMAIL":"uniform.u6472.epic06.4@example.org","FNAME":"Uniform","LNAME":"Пример","ADDRESS":{"addr1":"5 Example Street","addr2":"","city":"Springfield","state":"IL","zip":"10004","country":"USA"},"PHONE":"555-0104","COMPANY":"Exemple Tornillos AB 4","INDUSTRY":"AERO","REGION":"NORTH","ACCTSTATUS":"Active"},"list_id":"37af3c02bc"}',NULL,1);
CREATE TABLE inbox_hooks (
	webhook_id VARCHAR(100) NOT NULL, 
	list_id VARCHAR(100) NOT NULL, 
	url_digest VARCHAR(64) NOT NULL, 
	signing_secret TEXT, 
	registered_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (webhook_id, list_id)
);
INSERT INTO "inbox_hooks" VALUES('bf93bf588d','37af3c02bc','6b1cb212cdd112a0c2c7262fc25bd84c3f8ea289d2234b9a4dce4ec50b525b8a','enc:gAAAAABrCEVbnelKccJ8yao_MBCRzWCg52rqD-3oKw8Ks5hH09WSFx9DUHQ_GprY6jGmUN5AbGaMGen7CTnn5i6wHr8UmP13OPOw7LXTqAvEcmop6hPSWrKsb5ii8Kh2e9XnIFpJ0s-8','2026-11-26T14:42:35+00:00');
CREATE TABLE inbox_identity (
	inbox_id VARCHAR(32) NOT NULL, 
	PRIMARY KEY (inbox_id)
);
INSERT INTO "inbox_identity" VALUES('d694c31aca0bd95818fadd8dc99ddb2b');
CREATE TABLE inbox_readers (
	name VARCHAR(100) NOT NULL, 
	stream VARCHAR(32) NOT NULL, 
	emitted INTEGER NOT NULL, 
	confirmed INTEGER NOT NULL, 
	seen_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (name, stream)
);
INSERT INTO "inbox_readers" VALUES('default','contact_events',3,0,'2026-11-26T14:44:15+00:00');
CREATE TABLE inbox_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT inbox_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "inbox_version" VALUES('0001');
CREATE INDEX inbox_events_by_list ON inbox_events (list_id, origin, received_at);
CREATE INDEX inbox_events_by_person ON inbox_events (email_digest, list_id);
CREATE INDEX inbox_events_by_web_id ON inbox_events (web_id, list_id);
CREATE INDEX inbox_events_by_stream ON inbox_events (stream, sequence);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('inbox_events',4);
COMMIT;
