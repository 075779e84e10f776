BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE alerts (
	cause TEXT NOT NULL, 
	what TEXT NOT NULL, 
	since VARCHAR(27) NOT NULL, 
	seen_at VARCHAR(27) NOT NULL, 
	told_at VARCHAR(27), 
	claimed_until VARCHAR(27), 
	CONSTRAINT pk_alerts PRIMARY KEY (cause)
);
CREATE TABLE dead_letters (
	run_id INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	plugin TEXT NOT NULL, 
	stream TEXT NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	consent VARCHAR(20), 
	opened_at VARCHAR(27) NOT NULL, 
	replay_run_id INTEGER, 
	result_run_id INTEGER, 
	result_seq INTEGER, 
	CONSTRAINT pk_dead_letters PRIMARY KEY (run_id, seq)
);
CREATE TABLE decisions (
	run_id INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	part_of INTEGER, 
	recorded_at VARCHAR(27) NOT NULL, 
	stream TEXT NOT NULL, 
	action VARCHAR(20) NOT NULL, 
	reason VARCHAR(80) NOT NULL, 
	consent VARCHAR(20), 
	person BLOB, 
	former_person BLOB, 
	source_updated_on TEXT, 
	http_status INTEGER, 
	request_id TEXT, 
	duration_ms FLOAT, 
	refers_to TEXT, 
	private_digest BLOB NOT NULL, 
	digest BLOB NOT NULL, 
	salt BLOB, 
	subject TEXT, 
	former_subject TEXT, 
	source_key TEXT, 
	event_id TEXT, 
	targets TEXT, 
	detail TEXT, 
	changes TEXT, 
	dead_letter TEXT, 
	payload TEXT, 
	CONSTRAINT pk_decisions PRIMARY KEY (run_id, seq)
);
INSERT INTO "decisions" VALUES(1,1,NULL,'2026-11-26T14:43:24.966424Z','member_names','skipped','not_an_address',NULL,X'41A5D9E1614F0F082F52B27E768CA019',NULL,'3000000101',NULL,NULL,NULL,NULL,X'072D91F5501BFEBD75F0D2826ED73DE6CE2AA07F0082FE4A2F0A3171C9F16405',X'92956BDFD72A28AE17141BDC6067B6E1713AD5E25A9E7DA9C87A80BA3CAF080D',X'F6CC0E26F5838966651B12560DAA877B','PURCHASING',NULL,'CustCnt EPIC07/1//1',NULL,NULL,'The value of the field is not an e-mail address.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,2,NULL,'2026-11-26T14:43:24.966424Z','members','skipped','empty',NULL,NULL,NULL,'3000000174',NULL,NULL,NULL,NULL,X'2061ECC6B78F0DCA7112B078B47BE0F7B6C7AFC8287917ACAD87E7F938C4B065',X'A133E8E5F7966F4D6413ACFFFB50C702D36D3D7516C94FF9C61FE4A21AD5F523',X'CE1161CDBA960EAF3B627AD4901C8497','',NULL,'Customer EPIC06/7',NULL,NULL,'The record has no e-mail address.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,3,NULL,'2026-11-26T14:43:25.296364Z','member_names','merged','same_address_in_batch','unsubscribed',X'3F5D37C2EFC0DE9257FBC71D424A02DB',NULL,'3000000160',NULL,NULL,NULL,NULL,X'FB74CF31146A20F97C9A94BF125D5B65E8F6B15A1AA2AC816F3ADC879E8C301C',X'695C2CF6443D5E49E504BED3575A80BC9F26B3C19D55369A509BF2E701573450',X'D090121427BD027301937BFD5B486E0C','buyer.0@example.net',NULL,'CustCnt EPIC06/5//3',NULL,NULL,'A newer record of the same address, or of the same row, stands for this one.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,4,NULL,'2026-11-26T14:43:25.296364Z','members','merged','same_address_in_batch',NULL,X'7233FAA4E0E9FE7FAE24F12E4EE1D82B',NULL,'3000000129',NULL,NULL,NULL,NULL,X'A3DB8178E9B9EF721C3B135EF9B0BC4E81C13CB439D6BB6EEAD26131C5858E45',X'B82BD09DC569D0DD5E415AD48804096B4FAAF1377FDA46E1FD3F3691177CD85F',X'CD225517C5F5F4E6BC83A78388D6F4A6','tango.u6472.epic06.2@example.net',NULL,'Customer EPIC06/2',NULL,NULL,'A newer record of the same address, or of the same row, stands for this one.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,5,NULL,'2026-11-26T14:43:25.296364Z','member_names','merged','same_address_in_batch',NULL,X'C4A7DCA12828A26DC23E0C214D64AB79',NULL,'3000000140',NULL,NULL,NULL,NULL,X'D08032F8A86A86384C7566650A7C5754C8D5E741EE3A3F7FB1CBD2AAD4DCB102',X'D5B4FCE19D53BD992924CE1FC53F5D20FE82A69E5D765268C609DD437DF8ADF8',X'CBAF932A670B0E139A8E5688D2530588','uniform.u6472.epic06.4@example.org',NULL,'CustCnt EPIC06/4//1',NULL,NULL,'A newer record of the same address, or of the same row, stands for this one.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,6,NULL,'2026-11-26T14:43:25.296364Z','member_names','merged','same_address_in_batch',NULL,X'879F4491CC27ADB7624A75CB55CC4382',NULL,'3000000156',NULL,NULL,NULL,NULL,X'1B704BAC748602B6B8AD48CFDFE439696810EEFDB41652D007AF7B1900C30412',X'05F6D9D1CC1490BEA146D025B47F4B94669759B5CE0A43669F5F4B7823A47FE9',X'EB79F8FF992EE33FE300D6D96183F1EC','uniform.esempio.epic06.5@example.net',NULL,'CustCnt EPIC06/5//1',NULL,NULL,'A newer record of the same address, or of the same row, stands for this one.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,7,NULL,'2026-11-26T14:43:25.296364Z','member_names','skipped','not_a_member',NULL,X'A5CD0DC5F7F3EECAC36EC0C72972B575',NULL,'3000000114',NULL,NULL,NULL,NULL,X'4841D4DE3AB51E9622BF3A496FDD5E8680DE66E74D7C398A5C99E8527CB15A81',X'878EA37F7E63EB5FE1F02A248FF57AC9435D05A67B43D09CAAF7B75F69AB269C',X'946174777F9D67E6545C642F79D53B41','india.u46354.epic06.3@example.net',NULL,'CustCnt EPIC06/3//1',NULL,'list 37af3c02bc','The stream only updates members.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,8,NULL,'2026-11-26T14:43:25.296364Z','member_names','skipped','not_a_member',NULL,X'ADCA2DDBBC7BD10B0600A6C02A344801',NULL,'3000000116',NULL,NULL,NULL,NULL,X'73A84B4E1B25FA3C96B98F35477183736CA1614DB3BAD64EEA2634CF954FF17D',X'614ED1DDBA5ACDFF83BE9B7566EFEA219550090BDD9C0E017D35F25BF8840164',X'2A62D334DEA07E8AFA311F05452EE386','u59896.ornek.epic06.31@example.org',NULL,'CustCnt EPIC06/3/SITE1/1',NULL,'list 37af3c02bc','The stream only updates members.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,9,NULL,'2026-11-26T14:43:25.296364Z','member_names','skipped','not_a_member',NULL,X'31F041B68ED53CAACA027D08B3B9E0BA',NULL,'3000000136',NULL,NULL,NULL,NULL,X'62A5CF506273A80BDB23C6435F0A068BD4A4EF530751FBB3D55409C6604855A3',X'93EBB996F0C6F366B03C7000EBCDC257BBA68DBF67C57D627F6D471D4A89A750',X'51B12358FD5650F88807BA248B7DE44C','sierra.u6472.epic06.11@example.net',NULL,'CustCnt EPIC06/1//2',NULL,'list 37af3c02bc','The stream only updates members.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,10,NULL,'2026-11-26T14:43:25.296364Z','member_names','skipped','not_a_member',NULL,X'D1DB8ED5A90CDDE8A2C9A176CB897E98',NULL,'3000000151',NULL,NULL,NULL,NULL,X'BE6818A5B86CF5F177BB228A14F3FDD4326521ED6016553DA0BB3BC39CDE6D9B',X'0CD8BAD0F360509BA57D650948428868054E082A554601DC19AE04C3CF2D051C',X'54CDD6F5C98C68EF3C89D54ED2E4BD53','delta.eksempel.epic06.41@example.net',NULL,'CustCnt EPIC06/4//2',NULL,'list 37af3c02bc','The stream only updates members.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,11,NULL,'2026-11-26T14:43:25.296364Z','member_names','skipped','opted_out_at_source',NULL,X'3F5D37C2EFC0DE9257FBC71D424A02DB',NULL,'3000000176',NULL,NULL,NULL,NULL,X'92199F73169C3557694BDBE7FA3E5853DC04499FD8F5EC4C6726BB78E78A3CE2',X'2E960F332B63C66B276B8B055C022797BEC35F84448AF34ADD89645D7963C611',X'8AFFA11D853B3C7467EB7B0771C90728','buyer.0@example.net',NULL,'CustCnt EPIC06/7//3',NULL,'list 37af3c02bc','The source says that the person wants no mail.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,12,NULL,'2026-11-26T14:43:25.296364Z','member_names','skipped','not_a_member',NULL,X'9FB4FF86EFB558525444D88AD356DCA9',NULL,'3000000178',NULL,NULL,NULL,NULL,X'A1D1F623EEFCB235347D3C25DBD2247DC6D42BF48494F426F9D8C32403FC61F4',X'AFBCCE95C545E198CA66CC5A26CC29C737D5A7DB191DC584D392C6D9FD1372CA',X'236C69D8617C8B8E90703C4D2E5451CF','foxtrot.beispiel.epic06.7@example.org',NULL,'CustCnt EPIC06/7//1',NULL,'list 37af3c02bc','The stream only updates members.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,13,NULL,'2026-11-26T14:43:25.296364Z','member_names','skipped','not_a_member',NULL,X'67D7CB235443998EC15C99D178AC838E',NULL,'3000000180',NULL,NULL,NULL,NULL,X'539B7703C8F4251270F67465CBA3F7E9AF57718DD787010B938EBFB77BFFF455',X'66FB9A2D5F1F82C16000E66B5FA888E1043DE4AF8C7447ECDF679F22F4CE7705',X'2F234AA29287C477B96A1EC340F8A367','ROMEO.PRZYKAD.EPIC06.71@EXAMPLE.NET',NULL,'CustCnt EPIC06/7//2',NULL,'list 37af3c02bc','The stream only updates members.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(1,14,NULL,'2026-11-26T14:43:25.358503Z','member_names','created','new_subscribed',NULL,X'7233FAA4E0E9FE7FAE24F12E4EE1D82B',NULL,'3000000132',200,'1a2b8f1f-f1fd-42a2-9755-d4c13a902931',2.38855450006667524576e+01,NULL,X'ECA521568C27A7F9C56EACAE53E76F813FED09FEF57E4D60C2A6832F8FE4551A',X'84425E70C5C903D4BD52EAED7FD70FF58A33001D2101DA66D33EDB775DD93D10',X'8B18059222A0B1A9E58B1AA24548AF66','tango.u6472.epic06.2@example.net',NULL,'CustCnt EPIC06/2//1',NULL,'list 37af3c02bc','','{"merge_fields.COMPANY":[null,"Příklad Tornillos & Co. KG 2"],"merge_fields.PHONE":[null,"555-0102"],"merge_fields.ADDRESS":[null,{"addr1":"3 Example Street","addr2":"","city":"Zürich","state":"ZH","zip":"10002","country":"Switzerland"}],"merge_fields.INDUSTRY":[null,"AERO"],"merge_fields.REGION":[null,"EMEA"],"merge_fields.ACCTSTATUS":[null,"Active"],"merge_fields.FNAME":[null,"Tängo"],"merge_fields.LNAME":[null,"Пример"]}',NULL,NULL);
INSERT INTO "decisions" VALUES(1,15,NULL,'2026-11-26T14:43:25.358503Z','members','created','new_subscribed',NULL,X'C4A7DCA12828A26DC23E0C214D64AB79',NULL,'3000000149',200,'1a2b8f1f-f1fd-42a2-9755-d4c13a902931',2.38855450006667524576e+01,NULL,X'03E87155062690A185227120D82A5966EDA137E8132C228FE5A097672D823157',X'F77789FA9B6FE7257322656724DEBFD1D60FE63E1F3297327272E4BA039786AB',X'4F83F6C656146B54953ECA06D7450969','uniform.u6472.epic06.4@example.org',NULL,'Customer EPIC06/4',NULL,'list 37af3c02bc','','{"merge_fields.FNAME":[null,"Uniform"],"merge_fields.LNAME":[null,"Пример"],"merge_fields.COMPANY":[null,"Exemple Tornillos AB 4"],"merge_fields.PHONE":[null,"555-0104"],"merge_fields.ADDRESS":[null,{"addr1":"5 Example Street","addr2":"","city":"Springfield","state":"IL","zip":"10004","country":"USA"}],"merge_fields.INDUSTRY":[null,"AERO"],"merge_fields.REGION":[null,"NORTH"],"merge_fields.ACCTSTATUS":[null,"Active"]}',NULL,NULL);
INSERT INTO "decisions" VALUES(1,16,NULL,'2026-11-26T14:43:25.358503Z','members','created','new_subscribed',NULL,X'879F4491CC27ADB7624A75CB55CC4382',NULL,'3000000159',200,'1a2b8f1f-f1fd-42a2-9755-d4c13a902931',2.38855450006667524576e+01,NULL,X'2771FD67B1F558FC2EF4FBA3C0140B17D86042CDE1B4531427DC90F952440BFD',X'DFCA79658435A04CDEA65C1816188C45B269BE2E09A058CF5646AF444FF309A7',X'94FE5FDB0C904ACE522D0F95D2BFFF47','uniform.esempio.epic06.5@example.net',NULL,'Customer EPIC06/5',NULL,'list 37af3c02bc','','{"merge_fields.FNAME":[null,"Uniform"],"merge_fields.LNAME":[null,"Esempio"],"merge_fields.COMPANY":[null,"Ejemplo Gears Kft. 5"],"merge_fields.PHONE":[null,"555-0105"],"merge_fields.ADDRESS":[null,{"addr1":"6 Example Street","addr2":"","city":"Springfield","state":"IL","zip":"10005","country":"USA"}],"merge_fields.INDUSTRY":[null,"FURN"],"merge_fields.REGION":[null,"NORTH"],"merge_fields.ACCTSTATUS":[null,"Active"]}',NULL,NULL);
INSERT INTO "decisions" VALUES(1,17,NULL,'2026-11-26T14:43:25.358503Z','members','created','new_subscribed',NULL,X'9B65A6D0EEA2C62FC990FDAB552E5860',NULL,'3000000130',200,'1a2b8f1f-f1fd-42a2-9755-d4c13a902931',2.38855450006667524576e+01,NULL,X'0DABBFC15FAFC94657723A080ABD1B8AA6768B14341DD2B609EDB2E9C12A934F',X'14576C4E8D57D5068759D7B0E9BA77B8AFF965629F999CE0EC7D9563AF74A374',X'6C6B7776350D468F0A349B82F465BE50','YANKEE.EJEMPLO.EPIC06.1@EXAMPLE.COM',NULL,'Customer EPIC06/1',NULL,'list 37af3c02bc','Cleared: ADDRESS (incomplete_address: the address lacks state).','{"merge_fields.COMPANY":[null,"Exemplo Sprockets 株式会社 1"],"merge_fields.PHONE":[null,"555-0101"],"merge_fields.ADDRESS":[null,""],"merge_fields.INDUSTRY":[null,"FOOD"],"merge_fields.REGION":[null,"EMEA"],"merge_fields.ACCTSTATUS":[null,"Active"]}',NULL,NULL);
INSERT INTO "decisions" VALUES(1,18,NULL,'2026-11-26T14:43:25.358503Z','members','created','new_subscribed',NULL,X'607C8CF7DADCB0197D81A825BE199531',NULL,'3000000170',200,'1a2b8f1f-f1fd-42a2-9755-d4c13a902931',2.38855450006667524576e+01,NULL,X'05D9476827E840D63553407FE3F618004BC2DF1DFA0CA7C845353FF174FEB492',X'CB4067A58521E3949628B4638831249D11FC390E9E3A85C7A9B11210EBE1E9F6',X'1A327BF21D868D6C03D4C396A7CFA5F7','papa.voorbeeld.epic06.6@example.org',NULL,'Customer EPIC06/6',NULL,'list 37af3c02bc','','{"merge_fields.COMPANY":[null,"Example Valves Inc. 6"],"merge_fields.PHONE":[null,"555-0106"],"merge_fields.ADDRESS":[null,{"addr1":"7 Example Street","addr2":"","city":"São Paulo","state":"SP","zip":"10006","country":"Brazil"}],"merge_fields.INDUSTRY":[null,"FOOD"],"merge_fields.REGION":[null,"SOUTH"],"merge_fields.ACCTSTATUS":[null,"Active"]}',NULL,NULL);
INSERT INTO "decisions" VALUES(1,19,NULL,'2026-11-26T14:43:25.358503Z','members','created','new_subscribed',NULL,X'AEB055BA28301C3ECDC6F34F72C2E32A',NULL,'3000000078',200,'1a2b8f1f-f1fd-42a2-9755-d4c13a902931',2.38855450006667524576e+01,NULL,X'C73A83C4D6C61B904BF983151B7C0A36808462539B36EB987CB0B7BB087AF919',X'C59A1EC5DB3FFF6834740464DE59A647071EFF88740CEEA1FC3E5F9A9F4CA2D6',X'C03A55BFF0C26CF8D62AEE37DC8CF7A5','xray.osample.epic07.1@example.org',NULL,'Customer EPIC07/1',NULL,'list 37af3c02bc','Cleared: ADDRESS (incomplete_address: the address lacks state).','{"merge_fields.COMPANY":[null,"Muster Pompes & Co. KG 1"],"merge_fields.PHONE":[null,"555-0101"],"merge_fields.ADDRESS":[null,""],"merge_fields.INDUSTRY":[null,"FOOD"],"merge_fields.REGION":[null,"EMEA"],"merge_fields.ACCTSTATUS":[null,"Active"]}',NULL,NULL);
INSERT INTO "decisions" VALUES(2,1,NULL,'2026-11-26T14:44:21.953653Z','contact_updates','flagged','unsubscribed','unsubscribed',X'607C8CF7DADCB0197D81A825BE199531',NULL,'2026-11-26T14:43:31.000000Z',204,NULL,6.09948800047277472913e+00,NULL,X'355ED2A5747F86A7D78547BE1DF6B7C8EA055C27C95D4138AEB69FFD2B0B93A7',X'87C041263494BEAAE9456418A11AE0483AC31CEF8CA4D95C235708C42C9B2F7E',X'65AED4BD3BDEE3D5C8D41E8D80E2985D','papa.voorbeeld.epic06.6@example.org',NULL,NULL,'60c51adb753c8c6bb455dc9588ad366da667ae8ff7d5fc0ae8f8b87c5d5dda0a',NULL,'1 row written. Mailchimp''s reason: manual.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(2,2,1,'2026-11-26T14:44:21.953653Z','contact_updates','updated','written',NULL,X'607C8CF7DADCB0197D81A825BE199531',NULL,'2026-11-26T14:43:31.000000Z',204,NULL,6.09948800047277472913e+00,NULL,X'547086C61CAE0F0E734E012D932E430ABEBB0BD01377A13EC17ECD5C63EF85A5',X'519CCB7E2EE93502E3778ED5590A0F297415333F86BF116BC2BCD7F818A73CD2',X'6A9DE28DE90AC64D885B30191C1B33E0','papa.voorbeeld.epic06.6@example.org',NULL,NULL,'60c51adb753c8c6bb455dc9588ad366da667ae8ff7d5fc0ae8f8b87c5d5dda0a','Customer EPIC06/6','','{"NoContact":[false,true]}',NULL,NULL);
INSERT INTO "decisions" VALUES(2,3,NULL,'2026-11-26T14:44:21.953653Z','contact_updates','flagged','complaint','complaint',X'7233FAA4E0E9FE7FAE24F12E4EE1D82B',NULL,'2026-11-26T14:43:31.000000Z',NULL,NULL,NULL,NULL,X'4C066C394449A1929398812BC1EF6D43C8BD70B5FEA6786CE11833A3AF46D815',X'42574C3C454B78DA7B7CEBF096D892D0557D1CBFC3FD635D386966C7DF7CDCEE',X'9A1B9414B60A6D3D31EED0A3B62BECCD','tango.u6472.epic06.2@example.net',NULL,NULL,'b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349',NULL,'2 rows written. Mailchimp''s reason: abuse.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(2,4,3,'2026-11-26T14:44:21.953653Z','contact_updates','updated','written',NULL,X'7233FAA4E0E9FE7FAE24F12E4EE1D82B',NULL,'2026-11-26T14:43:31.000000Z',204,NULL,2.95419599933666177093e+00,NULL,X'8DF63F46CF374C93C3C293C691DCE06971F25B50B48B593B4669A723BE42CF7D',X'4A20308DBB03F8A173D205BEC1827C18FEBD2E492910C45527352D9DB64F1E94',X'D0C05B25BC05002A8CFB45884E9A8665','tango.u6472.epic06.2@example.net',NULL,NULL,'b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349','CustCnt EPIC06/2//1','','{"NoContact":[false,true]}',NULL,NULL);
INSERT INTO "decisions" VALUES(2,5,3,'2026-11-26T14:44:21.953653Z','contact_updates','updated','written',NULL,X'7233FAA4E0E9FE7FAE24F12E4EE1D82B',NULL,'2026-11-26T14:43:31.000000Z',204,NULL,4.10916900000302121043e+00,NULL,X'361003BB5F981BD9F238E87DE6B22AD0D27742B6C5D5C1ED58AC4ADA5FEBF5C6',X'7E254E027EEE5B492525239076DFB8576F74A920992FA76601740AB62B3FEA67',X'99122E4E2C075BDF9B66000810E3E25D','tango.u6472.epic06.2@example.net',NULL,NULL,'b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349','Customer EPIC06/2','','{"NoContact":[false,true]}',NULL,NULL);
INSERT INTO "decisions" VALUES(2,6,NULL,'2026-11-26T14:44:21.953653Z','contact_updates','updated','fields_differ',NULL,X'879F4491CC27ADB7624A75CB55CC4382',NULL,'2026-11-26T14:43:31.000000Z',204,NULL,3.2240179989457828924e+00,NULL,X'934A9325729EF6BF2D85C7729F385522882F14074D8A67A774F9BA2FFEFF0A55',X'E7BEF101BF2891E3239ACEBAE104487824167192D7A7ADE770A50B379970300D',X'7B99EE93A56D47CA4AE7EA79925A7DED','uniform.esempio.epic06.5@example.net',NULL,NULL,'773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9',NULL,'1 row written.',NULL,NULL,NULL);
INSERT INTO "decisions" VALUES(2,7,6,'2026-11-26T14:44:21.953653Z','contact_updates','updated','written',NULL,X'879F4491CC27ADB7624A75CB55CC4382',NULL,'2026-11-26T14:43:31.000000Z',204,NULL,3.2240179989457828924e+00,NULL,X'DCB00046C06C5247099AABB9068D240099C46B7D69959B04FA7A55EA4154A50F',X'B1E24AF76479EA776AB03CBDE4CA2653EEED2A0F23003E4F6D89042D1D8EF188',X'B9B562A52D8B6E0BCAA3EF8FB04D8B1A','uniform.esempio.epic06.5@example.net',NULL,NULL,'773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9','CustCnt EPIC06/5//1','','{"FirstName":["Uniform","Robin"],"Name":["Uniform Esempio","Robin Esempio"]}',NULL,NULL);
CREATE TABLE journal (
	position INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	recorded_at VARCHAR(27) NOT NULL, 
	content_digest BLOB NOT NULL, 
	digest BLOB NOT NULL, 
	CONSTRAINT pk_journal PRIMARY KEY (position)
);
INSERT INTO "journal" VALUES(1,1,'started','2026-11-26T14:43:24.829479Z',X'D194F3B1F5BCE009B527F978F906754951C095BA1425B8D2781A4E636883EA68',X'F35A5D0C04C7156E7D02AC1F78571C78A145674BD7D6F5459C51803ECB439E15');
INSERT INTO "journal" VALUES(2,1,'finished','2026-11-26T14:43:25.389375Z',X'4BBE65513243815BDAFE0F790E87185A64BA6BE9091ECFC25861537E1C4B9EFF',X'27DB415035E9B3C9D55E4371B16E519C54494954AA9EA51D72E1B963ADAF6B21');
INSERT INTO "journal" VALUES(3,2,'started','2026-11-26T14:44:21.331492Z',X'DE40E304C7EFB8773308DA4B2410492A09175ED293CC914934DC98E6CD57A23D',X'9AE25FA1E265A877DD25B3D05ECBFC61E39E246CF1DE8158FB89C49688540AAA');
INSERT INTO "journal" VALUES(4,2,'finished','2026-11-26T14:44:21.956766Z',X'EFE14CE2507D67E07CDD588A7451B4BDCB9D80266904C41E0573122D339ECC83',X'73215463C328B28250EB86FEE432E3B792C1E7348BE5987A345176F7C82EE193');
CREATE TABLE ledger_entries (
	namespace TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	run_id INTEGER NOT NULL, 
	recorded_at VARCHAR(27) NOT NULL, 
	CONSTRAINT pk_ledger_entries PRIMARY KEY (namespace, "key")
);
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/audience','fields','{"FNAME":1,"LNAME":2,"ADDRESS":3,"PHONE":4,"COMPANY":5,"INDUSTRY":6,"REGION":7,"ACCTSTATUS":8}',1,'2026-11-26T14:43:25.137033Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/audience','listing','{"from":"2026-11-26T14:43:22.985629+00:00"}',1,'2026-11-26T14:43:25.186823Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/1//2','{"member":"67463e40fd404da77b54824d198ecbd3"}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/3//1','{"member":"0a2a2c0fbc00d1f82a74cfa6c7f66dba"}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/3/SITE1/1','{"member":"2f48084d98e4d9de8f156ae0cb5baa50"}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/4//2','{"member":"74242b0f3ca8556b73deb52e4915c247"}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/5//3','{"member":"1f7245caa5542efd49c1786fe964cc57"}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/7//1','{"member":"c1aba2c0a29ed1448adb3b12f9b28352"}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/7//2','{"member":"50b1bfdf3a84b58b98d61c68b1c9f1ef"}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/7//3','{"member":"1f7245caa5542efd49c1786fe964cc57"}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/waiting','0a2a2c0fbc00d1f82a74cfa6c7f66dba','{"member_names/CustCnt EPIC06/3//1":{"stream":"member_names","raw":{"email_address":"india.u46354.epic06.3@example.net","status":null,"FNAME":"Índia","LNAME":"例文","source_key":"CustCnt EPIC06/3//1","source_updated_on":"3000000114"}}}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/waiting','1f7245caa5542efd49c1786fe964cc57','{"member_names/CustCnt EPIC06/5//3":{"stream":"member_names","raw":{"email_address":"buyer.0@example.net","status":"unsubscribed","FNAME":"Sam","LNAME":"Exemple","source_key":"CustCnt EPIC06/5//3","source_updated_on":"3000000160"}},"member_names/CustCnt EPIC06/7//3":{"stream":"member_names","raw":{"email_address":"buyer.0@example.net","status":null,"FNAME":"Sam","LNAME":"Ejemplo","source_key":"CustCnt EPIC06/7//3","source_updated_on":"3000000176"}}}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/waiting','2f48084d98e4d9de8f156ae0cb5baa50','{"member_names/CustCnt EPIC06/3/SITE1/1":{"stream":"member_names","raw":{"email_address":"u59896.ornek.epic06.31@example.org","status":null,"FNAME":"太郎","LNAME":"Örnek","source_key":"CustCnt EPIC06/3/SITE1/1","source_updated_on":"3000000116"}}}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/waiting','50b1bfdf3a84b58b98d61c68b1c9f1ef','{"member_names/CustCnt EPIC06/7//2":{"stream":"member_names","raw":{"email_address":"ROMEO.PRZYKAD.EPIC06.71@EXAMPLE.NET","status":null,"FNAME":"Rômeo","LNAME":"Przykład","source_key":"CustCnt EPIC06/7//2","source_updated_on":"3000000180"}}}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/waiting','67463e40fd404da77b54824d198ecbd3','{"member_names/CustCnt EPIC06/1//2":{"stream":"member_names","raw":{"email_address":"Sierra Пример <sierra.u6472.epic06.11@example.net>","status":null,"FNAME":"Sierra","LNAME":"Пример","source_key":"CustCnt EPIC06/1//2","source_updated_on":"3000000136"}}}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/waiting','74242b0f3ca8556b73deb52e4915c247','{"member_names/CustCnt EPIC06/4//2":{"stream":"member_names","raw":{"email_address":"delta.eksempel.epic06.41@example.net","status":null,"FNAME":"Delta","LNAME":"Eksempel","source_key":"CustCnt EPIC06/4//2","source_updated_on":"3000000151"}}}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/waiting','c1aba2c0a29ed1448adb3b12f9b28352','{"member_names/CustCnt EPIC06/7//1":{"stream":"member_names","raw":{"email_address":"foxtrot.beispiel.epic06.7@example.org","status":null,"FNAME":"Foxtrot","LNAME":"Beispiel","source_key":"CustCnt EPIC06/7//1","source_updated_on":"3000000178"}}}',1,'2026-11-26T14:43:25.296364Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/members','271826920fcc5bb3a2eb9d3c0d08a42c','{"address":"tango.u6472.epic06.2@example.net","status":"subscribed","contact":"7cbae90b31d54cb13a8ff9252a2ffa24","sent":{"merge_fields.COMPANY":"Příklad Tornillos & Co. KG 2","merge_fields.PHONE":"555-0102","merge_fields.ADDRESS":{"addr1":"3 Example Street","addr2":"","city":"Zürich","state":"ZH","zip":"10002","country":"Switzerland"},"merge_fields.INDUSTRY":"AERO","merge_fields.REGION":"EMEA","merge_fields.ACCTSTATUS":"Active","merge_fields.FNAME":"Tängo","merge_fields.LNAME":"Пример"},"rows":{"members/Customer EPIC06/2":{"at":"3000000129","of":232286338},"member_names/CustCnt EPIC06/2//1":{"at":"3000000132","of":2811443367}},"by":{"merge_fields.COMPANY":"members/Customer EPIC06/2","merge_fields.PHONE":"members/Customer EPIC06/2","merge_fields.ADDRESS":"members/Customer EPIC06/2","merge_fields.INDUSTRY":"members/Customer EPIC06/2","merge_fields.REGION":"members/Customer EPIC06/2","merge_fields.ACCTSTATUS":"members/Customer EPIC06/2","merge_fields.FNAME":"member_names/CustCnt EPIC06/2//1","merge_fields.LNAME":"member_names/CustCnt EPIC06/2//1"},"changed":"2026-11-26T14:43:25+00:00"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/members','43c3249ef2dc8652e2a72f52ea04f0fa','{"address":"YANKEE.EJEMPLO.EPIC06.1@EXAMPLE.COM","status":"subscribed","contact":"1f1a684d7588d97f5142529c9f84573c","sent":{"merge_fields.COMPANY":"Exemplo Sprockets 株式会社 1","merge_fields.PHONE":"555-0101","merge_fields.ADDRESS":"","merge_fields.INDUSTRY":"FOOD","merge_fields.REGION":"EMEA","merge_fields.ACCTSTATUS":"Active"},"rows":{"members/Customer EPIC06/1":{"at":"3000000130","of":448366461}},"changed":"2026-11-26T14:43:25+00:00"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/members','945182fd481983227c7ded9337945938','{"address":"uniform.u6472.epic06.4@example.org","status":"subscribed","contact":"053baf5e5b49c7dcb321264a47ce08d6","sent":{"merge_fields.FNAME":"Uniform","merge_fields.LNAME":"Пример","merge_fields.COMPANY":"Exemple Tornillos AB 4","merge_fields.PHONE":"555-0104","merge_fields.ADDRESS":{"addr1":"5 Example Street","addr2":"","city":"Springfield","state":"IL","zip":"10004","country":"USA"},"merge_fields.INDUSTRY":"AERO","merge_fields.REGION":"NORTH","merge_fields.ACCTSTATUS":"Active"},"rows":{"member_names/CustCnt EPIC06/4//1":{"at":"3000000140","of":3519326472},"members/Customer EPIC06/4":{"at":"3000000149","of":4158561081}},"by":{"merge_fields.FNAME":"member_names/CustCnt EPIC06/4//1","merge_fields.LNAME":"member_names/CustCnt EPIC06/4//1","merge_fields.COMPANY":"members/Customer EPIC06/4","merge_fields.PHONE":"members/Customer EPIC06/4","merge_fields.ADDRESS":"members/Customer EPIC06/4","merge_fields.INDUSTRY":"members/Customer EPIC06/4","merge_fields.REGION":"members/Customer EPIC06/4","merge_fields.ACCTSTATUS":"members/Customer EPIC06/4"},"changed":"2026-11-26T14:43:25+00:00"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/members','a9cc9db84286f17c2a3d5538c56b9504','{"address":"papa.voorbeeld.epic06.6@example.org","status":"subscribed","contact":"569f988ae5f69a5785c0af9a64fc2bf3","sent":{"merge_fields.COMPANY":"Example Valves Inc. 6","merge_fields.PHONE":"555-0106","merge_fields.ADDRESS":{"addr1":"7 Example Street","addr2":"","city":"São Paulo","state":"SP","zip":"10006","country":"Brazil"},"merge_fields.INDUSTRY":"FOOD","merge_fields.REGION":"SOUTH","merge_fields.ACCTSTATUS":"Active"},"rows":{"members/Customer EPIC06/6":{"at":"3000000170","of":3060958305}},"changed":"2026-11-26T14:43:25+00:00"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/members','b4a90ed9641b15852c353edcfc81da3b','{"address":"xray.osample.epic07.1@example.org","status":"subscribed","contact":"a7baa15761845a52de778e4d9ffa6b99","sent":{"merge_fields.COMPANY":"Muster Pompes & Co. KG 1","merge_fields.PHONE":"555-0101","merge_fields.ADDRESS":"","merge_fields.INDUSTRY":"FOOD","merge_fields.REGION":"EMEA","merge_fields.ACCTSTATUS":"Active"},"rows":{"members/Customer EPIC07/1":{"at":"3000000078","of":674582638}},"changed":"2026-11-26T14:43:25+00:00"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/members','ff3d39c95116a23f4cdbfbc35b63c2b7','{"address":"uniform.esempio.epic06.5@example.net","status":"subscribed","contact":"a23dd87b121cda8f6ae163878e82d0a3","sent":{"merge_fields.FNAME":"Uniform","merge_fields.LNAME":"Esempio","merge_fields.COMPANY":"Ejemplo Gears Kft. 5","merge_fields.PHONE":"555-0105","merge_fields.ADDRESS":{"addr1":"6 Example Street","addr2":"","city":"Springfield","state":"IL","zip":"10005","country":"USA"},"merge_fields.INDUSTRY":"FURN","merge_fields.REGION":"NORTH","merge_fields.ACCTSTATUS":"Active"},"rows":{"member_names/CustCnt EPIC06/5//1":{"at":"3000000156","of":988071329},"members/Customer EPIC06/5":{"at":"3000000159","of":468932682}},"by":{"merge_fields.FNAME":"member_names/CustCnt EPIC06/5//1","merge_fields.LNAME":"member_names/CustCnt EPIC06/5//1","merge_fields.COMPANY":"members/Customer EPIC06/5","merge_fields.PHONE":"members/Customer EPIC06/5","merge_fields.ADDRESS":"members/Customer EPIC06/5","merge_fields.INDUSTRY":"members/Customer EPIC06/5","merge_fields.REGION":"members/Customer EPIC06/5","merge_fields.ACCTSTATUS":"members/Customer EPIC06/5"},"changed":"2026-11-26T14:43:25+00:00"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/2//1','{"member":"271826920fcc5bb3a2eb9d3c0d08a42c"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/4//1','{"member":"945182fd481983227c7ded9337945938"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','member_names/CustCnt EPIC06/5//1','{"member":"ff3d39c95116a23f4cdbfbc35b63c2b7"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','members/Customer EPIC06/1','{"member":"43c3249ef2dc8652e2a72f52ea04f0fa"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','members/Customer EPIC06/2','{"member":"271826920fcc5bb3a2eb9d3c0d08a42c"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','members/Customer EPIC06/4','{"member":"945182fd481983227c7ded9337945938"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','members/Customer EPIC06/5','{"member":"ff3d39c95116a23f4cdbfbc35b63c2b7"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','members/Customer EPIC06/6','{"member":"a9cc9db84286f17c2a3d5538c56b9504"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('target-mailchimp/37af3c02bc/sources','members/Customer EPIC07/1','{"member":"b4a90ed9641b15852c353edcfc81da3b"}',1,'2026-11-26T14:43:25.358503Z');
INSERT INTO "ledger_entries" VALUES('personal_fields','target-epicor-contacts','{"fields":["moved"]}',2,'2026-11-26T14:44:21.331492Z');
INSERT INTO "ledger_entries" VALUES('consent/flags','CustCnt EPIC06/2//1','{"address":"tango.u6472.epic06.2@example.net","cause":"complaint","list":"37af3c02bc","at":"2026-11-26T14:43:31.000000Z"}',2,'2026-11-26T14:44:21.928950Z');
INSERT INTO "ledger_entries" VALUES('consent/flags','Customer EPIC06/2','{"address":"tango.u6472.epic06.2@example.net","cause":"complaint","list":"37af3c02bc","at":"2026-11-26T14:43:31.000000Z"}',2,'2026-11-26T14:44:21.928950Z');
INSERT INTO "ledger_entries" VALUES('consent/flags','Customer EPIC06/6','{"address":"papa.voorbeeld.epic06.6@example.org","cause":"person","list":"37af3c02bc","at":"2026-11-26T14:43:31.000000Z"}',2,'2026-11-26T14:44:21.928950Z');
INSERT INTO "ledger_entries" VALUES('baseline/37af3c02bc','ff3d39c95116a23f4cdbfbc35b63c2b7','{"merge_fields.FNAME":{"value":"Robin","version":1}}',2,'2026-11-26T14:44:21.953653Z');
INSERT INTO "ledger_entries" VALUES('target-epicor-contacts','papa.voorbeeld.epic06.6@example.org','{"status":{"at":"2026-11-26T14:43:31.000000Z","sequence":1,"event_id":"60c51adb753c8c6bb455dc9588ad366da667ae8ff7d5fc0ae8f8b87c5d5dda0a","value":"unsubscribed","cause":{"at":"2026-11-26T14:43:31.000000Z","sequence":1,"event_id":"60c51adb753c8c6bb455dc9588ad366da667ae8ff7d5fc0ae8f8b87c5d5dda0a"},"reason":"manual","campaign_id":null,"pending":false,"audiences":["37af3c02bc"]}}',2,'2026-11-26T14:44:21.953653Z');
INSERT INTO "ledger_entries" VALUES('target-epicor-contacts','tango.u6472.epic06.2@example.net','{"status":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"complaint","cause":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349"},"reason":"abuse","campaign_id":null,"pending":false,"audiences":["37af3c02bc"]},"fields":{"FirstName":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"7cd040391d4575174d07","sent":"7cd040391d4575174d07"},"LastName":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"c2e8bf2aabed32eb3590","sent":"c2e8bf2aabed32eb3590"},"PhoneNum":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"c50025f5364695663036","sent":"c50025f5364695663036"},"Address1":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"907f5f739d9123b698a4","sent":"907f5f739d9123b698a4"},"Address2":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"","sent":""},"City":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"14d18cf81dcd01d62afb","sent":"14d18cf81dcd01d62afb"},"State":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"2607a4d07856876eadee","sent":"2607a4d07856876eadee"},"Zip":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"9226d6a1fbb3750d641d","sent":"9226d6a1fbb3750d641d"},"Country":{"at":"2026-11-26T14:43:31.000000Z","sequence":2,"event_id":"b2b1ca3a4dd09297602462c41edbdca3a95d4765e68a26a56c7f0c5b32f1e349","value":"ff5324aeab524a778c68","sent":"ff5324aeab524a778c68"}}}',2,'2026-11-26T14:44:21.953653Z');
INSERT INTO "ledger_entries" VALUES('target-epicor-contacts','uniform.esempio.epic06.5@example.net','{"fields":{"FirstName":{"at":"2026-11-26T14:43:31.000000Z","sequence":3,"event_id":"773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9","value":"a0715bd65cb1dae52590","sent":"e88338998241bdf53f10"},"LastName":{"at":"2026-11-26T14:43:31.000000Z","sequence":3,"event_id":"773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9","value":"8f460044f2837d2015e8","sent":"8f460044f2837d2015e8"},"PhoneNum":{"at":"2026-11-26T14:43:31.000000Z","sequence":3,"event_id":"773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9","value":"2eef5c6ebf249fba9105","sent":"2eef5c6ebf249fba9105"},"Address1":{"at":"2026-11-26T14:43:31.000000Z","sequence":3,"event_id":"773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9","value":"e0ed7a6559ebae1bcb93","sent":"e0ed7a6559ebae1bcb93"},"Address2":{"at":"2026-11-26T14:43:31.000000Z","sequence":3,"event_id":"773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9","value":"","sent":""},"City":{"at":"2026-11-26T14:43:31.000000Z","sequence":3,"event_id":"773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9","value":"458a25cd34cbee8142b9","sent":"458a25cd34cbee8142b9"},"State":{"at":"2026-11-26T14:43:31.000000Z","sequence":3,"event_id":"773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9","value":"feb27d353d8e96f30fbc","sent":"feb27d353d8e96f30fbc"},"Zip":{"at":"2026-11-26T14:43:31.000000Z","sequence":3,"event_id":"773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9","value":"15af7426703912c455d7","sent":"15af7426703912c455d7"},"Country":{"at":"2026-11-26T14:43:31.000000Z","sequence":3,"event_id":"773f914e40775b4057e5499c350b41542dbd3dd00e773ea3ebdab1a824c9a7a9","value":"82b048e770a0b110f704","sent":"82b048e770a0b110f704"}}}',2,'2026-11-26T14:44:21.953653Z');
CREATE TABLE properties (
	name VARCHAR(40) NOT NULL, 
	value BLOB NOT NULL, 
	CONSTRAINT pk_properties PRIMARY KEY (name)
);
INSERT INTO "properties" VALUES('person_key',X'9259527908C363E5F6DF8879D8CAA1553445BCABB74284666641418737E08FC4');
INSERT INTO "properties" VALUES('journal_head',X'000000000000000473215463C328B28250EB86FEE432E3B792C1E7348BE5987A345176F7C82EE193');
INSERT INTO "properties" VALUES('digest_format',X'32');
CREATE TABLE run_counts (
	run_id INTEGER NOT NULL, 
	hour VARCHAR(13) NOT NULL, 
	action VARCHAR(20) NOT NULL, 
	decisions INTEGER NOT NULL, 
	CONSTRAINT pk_run_counts PRIMARY KEY (run_id, hour, action)
);
INSERT INTO "run_counts" VALUES(1,'2026-11-26T14','skipped',9);
INSERT INTO "run_counts" VALUES(1,'2026-11-26T14','merged',4);
INSERT INTO "run_counts" VALUES(1,'2026-11-26T14','created',6);
INSERT INTO "run_counts" VALUES(2,'2026-11-26T14','flagged',2);
INSERT INTO "run_counts" VALUES(2,'2026-11-26T14','updated',1);
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	plugin TEXT NOT NULL, 
	version TEXT NOT NULL, 
	pipeline TEXT NOT NULL, 
	correlation TEXT NOT NULL, 
	dry_run BOOLEAN NOT NULL, 
	host TEXT NOT NULL, 
	process INTEGER NOT NULL, 
	started_at VARCHAR(27) NOT NULL, 
	active_at VARCHAR(27) NOT NULL, 
	finished_at VARCHAR(27), 
	status VARCHAR(20) NOT NULL, 
	error TEXT, 
	records_read INTEGER NOT NULL, 
	entries INTEGER NOT NULL, 
	head BLOB NOT NULL, 
	pruned_entries INTEGER NOT NULL, 
	pruned_head BLOB, 
	source_system TEXT, 
	destination_system TEXT, 
	CONSTRAINT pk_runs PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES(1,'target-mailchimp','0.1.0','dev:tap-epicor-kinetic','01a2184f-1868-78f8-ad34-f0968f2d8491',0,'vm',25345,'2026-11-26T14:43:24.829479Z','2026-11-26T14:43:25.389375Z','2026-11-26T14:43:25.389375Z','succeeded',NULL,19,19,X'C59A1EC5DB3FFF6834740464DE59A647071EFF88740CEEA1FC3E5F9A9F4CA2D6',0,NULL,'Epicor','Mailchimp');
INSERT INTO "runs" VALUES(2,'target-epicor-contacts','0.1.0','dev:tap-mailchimp-webhooks','01a2184f-f615-7f5c-a002-cd5d1dc410e5',0,'vm',26383,'2026-11-26T14:44:21.331492Z','2026-11-26T14:44:21.956766Z','2026-11-26T14:44:21.956766Z','succeeded',NULL,3,7,X'B1E24AF76479EA776AB03CBDE4CA2653EEED2A0F23003E4F6D89042D1D8EF188',0,NULL,'Mailchimp','Epicor');
CREATE TABLE stream_schemas (
	run_id INTEGER NOT NULL, 
	stream TEXT NOT NULL, 
	message TEXT NOT NULL, 
	CONSTRAINT pk_stream_schemas PRIMARY KEY (run_id, stream)
);
INSERT INTO "stream_schemas" VALUES(1,'member_names','{"type":"SCHEMA","stream":"member_names","schema":{"type":"object","properties":{"email_address":{"type":["string","null"]},"status":{"type":["string","null"]},"FNAME":{"type":["string","null"]},"LNAME":{"type":["string","null"]},"source_key":{"type":["string","null"]},"source_updated_on":{"type":["string","null"]}},"$schema":"https://json-schema.org/draft/2020-12/schema"},"key_properties":["email_address"]}');
INSERT INTO "stream_schemas" VALUES(1,'members','{"type":"SCHEMA","stream":"members","schema":{"type":"object","properties":{"email_address":{"type":["string","null"]},"status":{"type":["string","null"]},"COMPANY":{"type":["string","null"]},"PHONE":{"type":["string","null"]},"ADDRESS":{"type":["string","null"]},"INDUSTRY":{"type":["string","null"]},"REGION":{"type":["string","null"]},"ACCTSTATUS":{"type":["string","null"]},"source_active":{"type":["boolean","null"]},"source_key":{"type":["string","null"]},"source_updated_on":{"type":["string","null"]}},"$schema":"https://json-schema.org/draft/2020-12/schema"},"key_properties":["email_address"]}');
INSERT INTO "stream_schemas" VALUES(2,'contact_updates','{"type":"SCHEMA","stream":"contact_updates","schema":{"type":"object","properties":{"email":{"description":"The address; of a changed one the old form.","type":["string","null"]},"new_email":{"type":["string","null"]},"event_id":{"description":"A digest of the event''s content.","type":["string","null"]},"occurred_at":{"description":"Mailchimp''s time of the event, in UTC.","format":"date-time","type":["string","null"]},"claimed_at":{"type":["string","null"]},"sequence":{"type":["integer","null"]},"type":{"description":"Mailchimp''s type of the event.","type":["string","null"],"enum":["subscribe","unsubscribe","profile","upemail","cleaned"]},"reason":{"type":["string","null"]},"campaign_id":{"type":["string","null"]},"list_id":{"type":["string","null"]},"origin":{"type":["string","null"]},"confirmation":{"type":["string","null"]},"contact_status":{"type":["string","null"]},"merges":{"type":["string","null"]}},"$schema":"https://json-schema.org/draft/2020-12/schema"},"key_properties":["event_id"]}');
CREATE INDEX ix_runs_plugin_started_at ON runs (plugin, started_at);
CREATE INDEX ix_runs_started_at ON runs (started_at);
CREATE INDEX ix_runs_correlation ON runs (correlation);
CREATE INDEX ix_decisions_source_key_recorded_at_run_id_seq ON decisions (source_key, recorded_at, run_id, seq);
CREATE INDEX ix_decisions_recorded_at_run_id_seq ON decisions (recorded_at, run_id, seq);
CREATE INDEX ix_decisions_consent_recorded_at ON decisions (consent, recorded_at) WHERE consent IS NOT NULL;
CREATE INDEX ix_decisions_action_recorded_at_run_id_seq ON decisions (action, recorded_at, run_id, seq);
CREATE INDEX ix_decisions_person ON decisions (substr(person, 1, 4));
CREATE INDEX ix_decisions_former_person_recorded_at ON decisions (former_person, recorded_at) WHERE former_person IS NOT NULL;
CREATE INDEX ix_dead_letters_state_plugin_opened_at ON dead_letters (state, plugin, opened_at);
CREATE INDEX ix_run_counts_hour ON run_counts (hour);
CREATE INDEX ix_journal_run_id ON journal (run_id);
COMMIT;
